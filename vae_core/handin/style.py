"""How the page looks on paper and on a screen: ink on white, the faces of the app inside the page."""

from __future__ import annotations

import base64

from vae_core.viewer import STATIC

FACES = (
    ("Inter", "inter-latin", ""),
    ("Inter", "inter-greek", " unicode-range: U+0370-03FF;"),
    ("Source Serif", "source-serif-4-latin", ""),
    ("Source Serif", "source-serif-4-greek", " unicode-range: U+0370-03FF;"),
)
STYLE = """
@page { size: A4; margin: 18mm 20mm; }
:root { color-scheme: light; }
body { margin: 0; background: #FFFFFF; color: #161A22; font: 10.5pt/1.5 "Source Serif", Georgia, serif; }
main { max-width: 170mm; margin: 12mm auto; padding: 0 5mm; }
h1 { margin: 0; font-size: 22pt; line-height: 1.2; font-weight: 600; overflow-wrap: anywhere; }
h2 { margin: 8mm 0 2mm; font-size: 13pt; line-height: 1.25; font-weight: 600; overflow-wrap: anywhere; }
h3 { margin: 3mm 0 1mm; font-size: 10.5pt; line-height: 1.25; font-weight: 600; }
h1, h2, h3 { break-after: avoid; }
p, li { margin: 0 0 2mm; orphans: 3; widows: 3; }
ul { margin: 0; padding-left: 5mm; }
li { margin: 0; }
.about, figcaption, .note { color: #565D6B; }
.by { font-size: 12pt; overflow-wrap: anywhere; }
.verdict { font-size: 13pt; line-height: 1.35; }
.words { white-space: pre-wrap; overflow-wrap: anywhere; }
figure, .plane { margin: 5mm 0 0; break-inside: avoid; }
figcaption { margin-top: 1.5mm; line-height: 1.35; }
svg, table, .pictures { font: 9pt/1.45 "Inter", sans-serif; font-variant-numeric: tabular-nums; }
figure > svg, .plane > svg { display: block; width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; break-inside: avoid; }
th, td { padding: 0.7mm 3mm 0.7mm 0; border-bottom: 0.25mm solid #E4E1D9; text-align: left; vertical-align: baseline; }
th { width: 34%; font-weight: 500; }
td { overflow-wrap: anywhere; }
tr { break-inside: avoid; }
.numbers th { width: 52%; }
.numbers td:nth-of-type(1) { width: 18%; text-align: right; padding-right: 4mm; }
.pairs td { width: 16%; }
.wide + .wide { margin-top: 5mm; }
.wide + .wide:has(.pairs) { margin-top: 0; }
.grid { break-inside: auto; }
.grid tr:nth-child(-n+2) { break-after: avoid; }
.grid tr:nth-last-child(-n+2) { break-before: avoid; }
.grid th { width: auto; }
.grid :is(th, td):not(:first-child) { text-align: right; white-space: nowrap; }
.grid thead th { color: #565D6B; vertical-align: bottom; white-space: normal; }
.findings th { width: 20%; }
.findings td:last-child { width: 32%; color: #565D6B; }
.pictures { display: grid; grid-template-columns: auto minmax(0, 76mm); gap: 1mm 4mm; justify-content: start; }
.two { grid-template-columns: auto repeat(2, minmax(0, 62mm)); }
.pictures div { display: grid; grid-auto-rows: 1fr; align-items: center; text-align: right; color: #565D6B; }
.pictures p { margin: 0; font-weight: 500; overflow-wrap: anywhere; }
.pictures img { display: block; width: 100%; }
.hard { image-rendering: pixelated; }
pre { margin: 0; font: 7pt/1.36 ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.note { margin-top: 2mm; }
@media screen {
  .grid tbody th { white-space: nowrap; }
}
@media print {
  main { max-width: none; margin: 0; padding: 0; }
  .wide { overflow: visible; } /* what scrolls is never broken between sheets, but cut */
  .code { break-before: page; }
  .code h2 { margin-top: 0; }
}
"""


def faces() -> str:
    """The fonts as rules that load nothing."""
    rules = []
    for family, name, letters in FACES:
        data = base64.b64encode((STATIC / "fonts" / f"{name}-wght-normal.woff2").read_bytes()).decode()
        source = f'src: url(data:font/woff2;base64,{data}) format("woff2");'
        rules.append(f'@font-face {{ font-family: "{family}"; font-weight: 200 900; {source}{letters} }}\n')
    return "".join(rules)
