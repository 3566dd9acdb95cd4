"""How a report looks: in light and in dark, on a screen and on paper, by colours that are named once."""

STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f5; --card: #ffffff; --ink: #1b211d; --soft: #5d6a62; --rule: #dde2de;
  --accent: #22734a; --better: #1d7a46; --worse: #b3372f; --open: #8a6d1d; --dot: #9fb3a6;
  --gone: #fbe3e1; --come: #dcf1e3; --heat: 34, 115, 74; }
@media (prefers-color-scheme: dark) { :root {
  --page: #121513; --card: #1a1f1c; --ink: #e4e9e5; --soft: #98a59d; --rule: #2d3530;
  --accent: #63c08f; --better: #63c08f; --worse: #f0857c; --open: #d9b85b; --dot: #4d6156;
  --gone: #4a2320; --come: #1d4029; --heat: 99, 192, 143; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
header p { margin: .25rem 0; color: var(--soft); }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; } * + h2 { margin-top: 1.4rem; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1.1rem 1.25rem;
  margin-top: 1rem; }
.summary { border-left: 4px solid var(--accent); }
.summary p { margin: .2rem 0; }
.summary p:first-of-type { font-size: 1.1rem; font-weight: 600; }
.note { color: var(--soft); font-size: .87rem; margin: .6rem 0 0; max-width: 48rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
code, .text { font: .85rem/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; margin: 0; }
del { background: var(--gone); } ins { background: var(--come); text-decoration: none; }
.better { color: var(--better); } .worse { color: var(--worse); } .open { color: var(--open); }
svg { width: 100%; height: auto; max-width: 40rem; display: block; }
svg text { fill: var(--soft); font-size: 11px; } svg .name { fill: var(--ink); }
svg .axis { fill: none; stroke: var(--rule); } svg .line { fill: none; stroke: var(--accent); stroke-width: 1.5; }
svg .trial { fill: var(--dot); } svg .failed { fill: none; stroke: var(--worse); }
svg .dropped { fill: none; stroke: var(--dot); } svg .front { fill: var(--accent); }
svg .best { fill: var(--accent); stroke: var(--ink); stroke-width: 2; }
svg.interval { width: 12.5rem; height: 1.25rem; } .zero { stroke: var(--soft); } .groove { fill: var(--rule); }
.bar.better, .dot.better { fill: var(--better); } .bar.worse, .dot.worse { fill: var(--worse); }
.bar.open, .dot.open { fill: var(--open); } .bar { opacity: .55; } .bar.share { fill: var(--accent); opacity: 1; }
.heat td { text-align: center; padding: .2rem .35rem; font-variant-numeric: tabular-nums; }
.heat th, .heat td:first-child { text-align: left; white-space: nowrap; }
.h0 { background: rgba(var(--heat), 0); } .h1 { background: rgba(var(--heat), .12); }
.h2 { background: rgba(var(--heat), .24); } .h3 { background: rgba(var(--heat), .36); }
.h4 { background: rgba(var(--heat), .48); } .lost { color: var(--worse); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
"""
