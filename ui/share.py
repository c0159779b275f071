"""What a run bar's menu gives away: links, a code for phones, files."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit, urlunsplit

import segno
import streamlit as st

from ui.contents import CONTENTS
from ui.handin import Work, hand_in_button
from vae_core.exports import csv_text
from vae_core.runs import Run
from vae_core.viewer import document

OPEN_SERVER = "python -m vae_core serve --host 0.0.0.0"


def share(run: Run) -> None:
    """The link of this page, the stage and files; and the stage's link as a QR code for others."""
    here = site(st.context.url)
    outside = for_phones(here, st.get_option("server.address"))
    left, right = st.columns([1.6, 1], gap="medium")
    with left:
        st.caption("Link to this run")
        st.code(watch_link(outside or here, run), language=None, wrap_lines=True)
        with st.container(horizontal=True):
            st.link_button("Open on stage", stage_link(here, run), icon=":material/open_in_new:", icon_position="right")
            downloads(run)
    right.html(qr(stage_link(outside or here, run)))
    if outside:
        st.caption("The code opens the stage on any device in this network.")
    else:
        st.caption(
            f"Phones cannot reach this server: it listens on this computer alone. Start it with `{OPEN_SERVER}`."
        )


def downloads(run: Run) -> None:
    """The files that a run can be taken away as."""
    st.download_button(
        "Numbers as CSV", lambda: csv_text(run).encode(), f"{run.name}.csv", "text/csv",
        on_click="ignore", key=f"take-csv-{run.name}",
    )  # fmt: skip
    st.download_button(
        "Replay as one HTML file", lambda: document([run]).encode(), f"{run.name}.html", "text/html",
        on_click="ignore", key=f"take-html-{run.name}", help="Opens in any browser, without this app or a network.",
    )  # fmt: skip
    hand_in_button(run.name, lambda: Work.of_run(run))


def qr(link: str) -> str:
    """A link as a QR code, dark on light in both themes, as cameras want it: HTML."""
    code = segno.make_qr(link, error="m")
    source = code.svg_data_uri(border=3, dark="#161A22", light="#FFFFFF", omitsize=True)
    return f'<img class="fr-qr" src="{source}" alt="QR code of {link}">'


def watch_link(site: str, run: Run) -> str:
    """The page of a run."""
    return f"{site}/watch?run={run.name}"


def stage_link(site: str, run: Run) -> str:
    """The bare figure of a run, for a beamer or a phone."""
    return f"{site}/stage?run={run.name}"


def site(url: str | None) -> str:
    """The address of the app in this browser, without a page: `http://host:port`, and the prefix of a proxy."""
    parts = urlsplit(url or f"http://127.0.0.1:{st.get_option('server.port')}")
    head, _, tail = parts.path.rstrip("/").rpartition("/")
    path = head if tail in {page.name for page in CONTENTS} else parts.path.rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def for_phones(site: str, listens: str | None) -> str:
    """The same address as other devices reach it; empty if the server listens on this computer alone.

    `listens` is the server's own address; None means all of this computer's.
    """
    parts = urlsplit(site)
    if not loopback(parts.hostname):
        return site
    address = "" if loopback(listens) else own_address()
    return parts._replace(netloc=f"{address}:{parts.port or 80}").geturl() if address else ""


def loopback(host: str | None) -> bool:
    """Whether only this computer itself can reach that host."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def own_address() -> str:
    """This computer's address in its network, or nothing; a datagram socket that is only connected sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address kept for documentation
            found = str(probe.getsockname()[0])
        except OSError:
            return ""
    return "" if loopback(found) else found
