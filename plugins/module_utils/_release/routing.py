# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Routing of products to releases by their tags, and whether a release's products are complete on all its platforms."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.egi.cmd.plugins.module_utils._failure import Failure
from ansible_collections.egi.cmd.plugins.module_utils._release.dates import day_of
from ansible_collections.egi.cmd.plugins.module_utils._release.problems import near_miss, shown

Manifest = t.Mapping[str, t.Any]


class Product(t.NamedTuple):
    """A product of a technology provider. versions: platform id -> version of the product there."""

    name: str
    tags: t.Tuple[str, ...]
    versions: t.Dict[str, str]


class Waiver(t.NamedTuple):
    """A written permission to leave a product out of step on one platform, up to and including a day."""

    product: str
    platform: str
    reason: str
    by: str
    until: datetime.date


class Gap(t.NamedTuple):
    """Why a release is not complete. id: missing, version, waiver-expired or waiver-unknown; text: in words."""

    id: str
    product: str
    platforms: t.List[str]
    text: str


def products_from(data: t.Any, action: str) -> t.List[Product]:
    """Return a list of {name, tags, versions} as products. Raises Failure naming the first that is none."""
    found = [_product(entry, f"products[{index}]", action) for index, entry in enumerate(_entries(data, "products", action))]
    for index, product in enumerate(found):
        if product.name in [other.name for other in found[:index]]:
            raise Failure(action, f"products[{index}] is '{product.name}' for the second time", "Name each product once")
    return found


def waivers_from(data: t.Any, action: str) -> t.List[Waiver]:
    """Return a list of {product, platform, reason, by, until} as waivers. Raises Failure naming the first that is none."""
    found = []
    for index, entry in enumerate(_entries(data, "waivers", action)):
        for field in Waiver._fields:
            if not entry.get(field) or field != "until" and not _is_text(entry[field]):
                raise Failure(action, f"waivers[{index}].{field} is {shown(entry.get(field))}, not a text",
                              f"A waiver has {', '.join(Waiver._fields)}; the last is a day")
        until = day_of(entry["until"], f"{action}, waivers[{index}].until")
        found.append(Waiver(str(entry["product"]), str(entry["platform"]), str(entry["reason"]), str(entry["by"]), until))
    return found


def takes(manifest: Manifest, product: Product) -> t.List[str]:
    """Return the tags for which a release takes a product; none: it does not."""
    return [tag for tag in manifest.get("product_tags", []) if tag in product.tags]


def route(products: t.Sequence[Product], manifests: t.Sequence[Manifest]) -> t.List[t.Dict[str, t.Any]]:
    """Return for each product {product, releases, reason}: the names of the releases that take it, and why.

    A release without ``product_tags`` takes nothing.
    """
    known = sorted({tag for manifest in manifests for tag in manifest.get("product_tags", [])})
    return [_routed(product, manifests, known) for product in products]


def gaps(products: t.Sequence[Product], manifest: Manifest, waivers: t.Sequence[Waiver], day: datetime.date) -> t.List[Gap]:
    """Return what keeps a release from being complete on a day; an empty list is a complete release.

    Only products the release takes count. Each has to exist on every platform of ``platforms_required``, at the same
    version as on the others, unless a waiver that is valid on that day says otherwise. Raises Failure for a manifest
    without these two fields: without them everything would be complete.
    """
    for field in ("product_tags", "platforms_required"):
        if not manifest.get(field):
            raise Failure(f"check whether {manifest['name']} is complete", f"its manifest has no {field}", f"State {field} in the manifest")
    meant = [product for product in products if takes(manifest, product)]
    found = [gap for product in meant for gap in _product_gaps(product, manifest["platforms_required"], waivers, day)]
    return found + list(_strays(products, meant, manifest["platforms_required"], waivers))


def _routed(product: Product, manifests: t.Sequence[Manifest], known: t.Sequence[str]) -> t.Dict[str, t.Any]:
    takers = {manifest["name"]: takes(manifest, product) for manifest in manifests if takes(manifest, product)}
    said = [f"{name} takes {' and '.join(tags)}" for name, tags in takers.items()]
    said += [f"no release takes {tag}{near_miss(tag, known)}" for tag in product.tags if tag not in known]
    return {"product": product.name, "releases": list(takers), "reason": "; ".join(said)}


def _product_gaps(product: Product, required: t.Sequence[str], waivers: t.Sequence[Waiver], day: datetime.date) -> t.Iterator[Gap]:
    mine = [waiver for waiver in waivers if waiver.product == product.name and waiver.platform in required]
    waived = {waiver.platform for waiver in mine if waiver.until >= day}
    counted = [platform for platform in required if platform not in waived]
    there = {platform: product.versions[platform] for platform in counted if platform in product.versions}
    missing = [platform for platform in counted if platform not in there]
    needy: t.Set[str] = set(missing)
    if missing:
        yield Gap("missing", product.name, missing, f"{product.name} does not exist on {' and '.join(missing)}")
    if len(set(there.values())) > 1:
        needy.update(there)
        versions = ", ".join(f"{version} on {platform}" for platform, version in there.items())
        yield Gap("version", product.name, list(there), f"{product.name} has different versions: {versions}")
    for waiver in mine:
        if waiver.platform in needy:  # not waived, so this one has expired
            yield Gap("waiver-expired", product.name, [waiver.platform],
                      f"the waiver of {waiver.by} for {product.name} on {waiver.platform} ended on {waiver.until}: {waiver.reason}")


def _strays(products: t.Sequence[Product], meant: t.Sequence[Product], required: t.Sequence[str], waivers: t.Sequence[Waiver]) -> t.Iterator[Gap]:
    """Waivers that can match nothing are most likely misspelt. One may be for another release's product: that is fine."""
    names = [product.name for product in products]
    for waiver in waivers:
        if waiver.product not in names:
            hint = near_miss(waiver.product, names)
            yield Gap("waiver-unknown", waiver.product, [waiver.platform],
                      f"a waiver of {waiver.by} is for {waiver.product}, which is not among the products{hint}")
        elif waiver.product in [product.name for product in meant] and waiver.platform not in required:
            hint = near_miss(waiver.platform, required)
            yield Gap("waiver-unknown", waiver.product, [waiver.platform],
                      f"the waiver of {waiver.by} for {waiver.product} is for {waiver.platform}, which is not required{hint}")


def _product(entry: t.Mapping[str, t.Any], place: str, action: str) -> Product:
    name, tags, versions = entry.get("name"), entry.get("tags"), entry.get("versions", {})
    if not _is_text(name):
        raise Failure(action, f"{place}.name is {shown(name)}, not a text", "A product has a name, tags and versions")
    if not isinstance(tags, (list, tuple)) or not tags or not all(_is_text(tag) for tag in tags):
        raise Failure(action, f"{place}.tags ({name}) is {shown(tags)}, not a list of tags", "Give at least one, for example [openstack]")
    if not isinstance(versions, t.Mapping):
        raise Failure(action, f"{place}.versions ({name}) is {shown(versions)}, not a map", "Give {platform: version}")
    for platform, version in versions.items():
        if not _is_text(version):
            raise Failure(action, f"{place}.versions.{platform} ({name}) is {shown(version)}, not a text", "Put versions in quotes")
    return Product(str(name), tuple(str(tag) for tag in tags), {str(platform): str(version) for platform, version in versions.items()})


def _entries(data: t.Any, what: str, action: str) -> t.Sequence[t.Mapping[str, t.Any]]:
    if not isinstance(data, (list, tuple)):
        raise Failure(action, f"{what} is {shown(data)}, not a list", f"Give a list of {what}")
    for index, entry in enumerate(data):
        if not isinstance(entry, t.Mapping):
            raise Failure(action, f"{what}[{index}] is {shown(entry)}, not a map", f"Give a list of {what}, each of them a map")
    return data


def _is_text(value: t.Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
