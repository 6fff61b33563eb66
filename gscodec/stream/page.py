"""The pages that the server makes itself: the catalogue, and the note shown where the player is not built."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gscodec.stream.shelf import ServedFile

__all__ = ["catalogue", "note", "trust"]

_STYLE = """
:root{color-scheme:dark light;--bg:#0e1014;--card:#171a21;--line:#262b36;--text:#e8eaf0;--dim:#9aa3b5;--accent:#7cc4ff}
@media(prefers-color-scheme:light){:root{--bg:#f5f6f8;--card:#fff;--line:#dfe3ea;--text:#14171d;--dim:#566074;--accent:#0b62b0}}
*{box-sizing:border-box}body{margin:0;min-height:100vh;background:var(--bg);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:62rem;margin:0 auto;padding:clamp(1.5rem,5vw,4rem) 1.25rem}
h1{font-size:1.5rem;font-weight:650;letter-spacing:-.01em;margin:0 0 .25rem}p{color:var(--dim);margin:.25rem 0 1rem}
ul{list-style:none;margin:1.5rem 0 0;padding:0;display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr))}
a.card{display:block;padding:1.1rem 1.25rem;border:1px solid var(--line);border-radius:.75rem;background:var(--card);
color:inherit;text-decoration:none}a.card:hover{border-color:var(--accent)}
a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.card b{display:block;font-weight:600;overflow-wrap:anywhere}.card span{color:var(--dim);font-size:.875rem}
dt{font-weight:600;margin-top:.75rem}dd{margin:0;color:var(--dim)}code{overflow-wrap:anywhere;background:var(--card);border:1px solid var(--line);border-radius:.3rem;padding:.05rem .35rem}
a.button{display:inline-block;padding:.6rem 1rem;border-radius:.5rem;background:var(--accent);color:#06131f;text-decoration:none;font-weight:600}
@media(prefers-color-scheme:light){a.button{color:#fff}}
"""


def catalogue(files: Iterable[ServedFile]) -> str:
    """The list of files, each a link to its player page."""
    cards = "".join(
        f'<li><a class="card" href="/watch/{quote(file.name, safe="")}"><b>{escape(file.title)}</b>'
        f"<span>{escape(_describe(file))}</span></a></li>"
        for file in files
    )
    return _page("Catalogue", f"<h1>Volumetric video</h1><p>Choose one to watch.</p><ul>{cards}</ul>")


def note(title: str, body_html: str) -> str:
    """A small page with `title` and the given (trusted) body."""
    return _page(title, f"<h1>{escape(title)}</h1>{body_html}")


_TRUST = """
<p><a class="button" href="{link}">Watch</a></p>
<p>This video comes from a computer on your own network, over an encrypted connection. Your device does not know that
computer's certificate yet, so the browser will warn. You can go past the warning once, or let the device trust it:</p>
<p><a href="/gscodec-authority.crt">Download the certificate</a></p>
<dl>
<dt>iPhone, iPad</dt><dd>Open the download, then Settings: Profile Downloaded: Install; then General: About:
Certificate Trust Settings: switch it on.</dd>
<dt>Android</dt><dd>Settings: Security: More: Install from storage: CA certificate; choose the download.</dd>
<dt>Mac</dt><dd>Open it in Keychain Access, then set Trust to Always.</dd>
<dt>Windows</dt><dd>Open it: Install: Trusted Root Certification Authorities.</dd>
<dt>Firefox</dt><dd>Settings: Certificates: View: Authorities: Import.</dd>
</dl>
<p>It can vouch for private network addresses only. Compare its SHA-256 fingerprint with the one in the terminal:<br>
<code>{fingerprint}</code><br>Remove it from the device when you no longer need it.</p>
<script>fetch({probe},{{mode:"no-cors"}}).then(()=>location.replace({target}),()=>{{}})</script>
"""


def trust(link: str, fingerprint: str) -> str:
    """How to come to trust the authority; a device that does already is led on to `link` at once."""
    body = _TRUST.format(
        link=escape(link),
        fingerprint=escape(fingerprint),
        probe=json.dumps(f"{link}healthz"),
        target=json.dumps(link),
    )
    return note("Watch on this device", body)


def _describe(file: ServedFile) -> str:
    try:
        size = file.path.stat().st_size
    except OSError:
        return "being written"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} KB"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)} - gscodec</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )
