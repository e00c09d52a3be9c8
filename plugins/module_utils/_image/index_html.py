# Copyright (c) 2026, egi.cmd contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# This module util is PRIVATE to the egi.cmd collection; its interface may change in any release.
"""Pages for browsers: the stream's drops, and each drop. No script, one column, readable on a phone. Pure."""

from __future__ import annotations

import typing as t
from html import escape

from ansible_collections.egi.cmd.plugins.module_utils._image import drop_site, readme
from ansible_collections.egi.cmd.plugins.module_utils._image.drop import Drop, Stream, latest, latest_scratch, ordered
from ansible_collections.egi.cmd.plugins.module_utils._image.drop_site import Site

# Colours of the reader's own scheme; a digest or a command may be wider than a phone: it wraps, or scrolls by itself.
_STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 0 auto; padding: 0 1rem 2rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin-top: 2rem; }
a { display: inline-block; min-height: 1.5rem; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid; border-radius: .25rem; }
pre code { overflow-wrap: normal; }
ul { padding-left: 1.2rem; }
li { margin-bottom: .75rem; }
"""
# Beginning of a name -> what it is for; the longer beginning first
_USES = {"KEY.asc": "the key of all signatures", "image.list": "image list of the federation, S/MIME", "index.asc": "virt-builder, signed",
         "index": "virt-builder", "streams/v1/index.": "simple streams, begin here", "streams/": "simple streams"}


def drop_page(site: Site, drop: Drop, names: t.Sequence[str]) -> bytes:
    """index.html of a drop. names: the other files there, to be listed."""
    body = []
    for block in readme.blocks(site, drop):
        if block.kind == "heading":
            body.append(f"<h2>{escape(block.text)}</h2>")
        elif block.kind == "paragraph":
            body.append(f"<p>{escape(block.text)}</p>")
        elif block.kind == "commands":
            # A region that scrolls has to be reachable with the keyboard (WCAG 2.1.1).
            lines = "\n".join(escape(line) for line in block.lines)
            body.append(f'<pre tabindex="0" role="region" aria-label="Commands"><code>{lines}</code></pre>')
        else:
            body += ["<ul>", *(f"<li>{_link(name)}, {readme.human(size)}: {escape(use)}<br>SHA-256 <code>{digest}</code></li>"
                               for name, size, use, digest in block.rows), "</ul>"]
    body += ["<h2>All files</h2>", "<ul>", *(f"<li>{_link(name)}</li>" for name in names), "</ul>",
             f'<p><a href="../">All drops of {escape(site.title)}</a></p>']
    return _page(readme.title(site, drop), body)


def stream_page(site: Site, stream: Stream, names: t.Sequence[str]) -> bytes:
    """index.html of a stream: what to use first, then all drops, the newest first."""
    body, newest, build = [], latest(stream), latest_scratch(stream)
    if newest:
        body += [f"<h2>To use: {_link(newest.label + '/', newest.label)}</h2>", *_told(newest), f"<p>Also as {_link('latest/', 'latest')}.</p>"]
    if build:
        body.append(f"<p>The newest build is {_link(build.label + '/', build.label)}, also as {_link('latest-scratch/', 'latest-scratch')}.</p>")
    body += ["<h2>All drops</h2>", "<ul>"]
    for drop in sorted(ordered(stream), key=lambda one: one.published, reverse=True):
        state = f"blessed by {drop.blessing.by}" if drop.blessing else "not blessed"
        copied = f", the bytes of {drop.copied_from}" if drop.copied_from else ""
        body.append(f"<li>{_link(drop.label + '/', drop.label)}, {drop_site.iso(drop.published)[:10]}: {escape(state + copied)}</li>")
    body += ["</ul>", "<h2>For programs</h2>", "<ul>", *(f"<li>{_link(name)}{_use(name)}</li>" for name in names), "</ul>"]
    if site.contact:
        body.append(f"<p>Questions: {escape(site.contact)}</p>")
    return _page(f"{site.title}: images", body)


def _told(drop: Drop) -> t.List[str]:
    files = [file for image in drop.images for file in image["files"]]
    return ["<ul>", *(f"<li>{_link(drop.label + '/' + file['name'], file['name'])}, {readme.human(file['size'])}</li>" for file in files), "</ul>"]


def _use(name: str) -> str:
    return next((f": {use}" for beginning, use in _USES.items() if name.startswith(beginning)), "")


def _link(target: str, text: str = "") -> str:
    return f'<a href="{escape(target)}">{escape(text or target)}</a>'


def _page(title: str, body: t.Sequence[str]) -> bytes:
    lines = ["<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">', '<meta name="viewport" content="width=device-width, initial-scale=1">',
             f"<title>{escape(title)}</title>", f"<style>\n{_STYLE}</style>", "</head>", "<body>", "<main>", f"<h1>{escape(title)}</h1>", *body, "</main>",
             "</body>", "</html>"]
    return ("\n".join(lines) + "\n").encode()
