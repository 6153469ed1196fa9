"""The style sheet of the report, light and dark."""

STYLE = """
:root{--bg:#f4f6fa;--card:#fff;--text:#16202f;--muted:#5a6880;--rule:#dde3ec;--road:#d9dfe9;--corner:#c3ccdb;
--edge:#8b99b0;
--agent:#1d6fe0;--human:#d97a00;--before:#8d6ad0;--good:#12876a;--bad:#c8324d;--ceiling:#a06b00}
@media (prefers-color-scheme:dark){:root{--bg:#0d1321;--card:#161f33;--text:#ebf0f7;--muted:#9aa8be;--rule:#28344d;
--road:#2a3448;
--corner:#3d4a66;--edge:#75849e;--agent:#4d94ff;--human:#faa61a;--before:#b79af2;--good:#48c7a0;--bad:#f05c6e;
--ceiling:#f0c850}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 16px;display:flex;flex-wrap:wrap;gap:20px}
header,main .wide{flex:1 1 100%}
h1{margin:0 0 6px;font-size:30px;line-height:1.2;overflow-wrap:anywhere}
h2{margin:0 0 14px;font-size:17px}
h3{margin:0;font-size:14px;font-weight:600;color:var(--muted)}
.lead{margin:0;font-size:20px;color:var(--muted);overflow-wrap:anywhere}.lead strong{color:var(--text)}
.lead strong.human{color:var(--human)}
section{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:18px 20px;flex:1 1 440px;
min-width:0}
svg{display:block;width:100%;height:auto;max-height:440px}
.note{margin:12px 0 0;font-size:14px;color:var(--muted)}
.outcomes{display:grid;grid-template-columns:auto auto 1fr;gap:20px 48px;align-items:start}
.big{margin:0;font-size:52px;font-weight:700;line-height:1.15}
.big small{font-size:24px;color:var(--muted);font-weight:500}
.outcome.before .big{color:var(--before)}.outcome.after .big{color:var(--agent)}
.dots{display:grid;grid-template-columns:repeat(10,14px);gap:5px;margin-top:8px}
.dots i{width:14px;height:14px;border-radius:50%;border:2px solid var(--edge)}
.before .yes{background:var(--before);border-color:var(--before)}
.after .yes{background:var(--agent);border-color:var(--agent)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:7px 0 7px 16px;border-bottom:1px solid var(--rule);overflow-wrap:anywhere}
th[scope=row]{text-align:left;font-weight:500;padding-left:0;color:var(--muted)}
thead th{font-size:14px;color:var(--muted);font-weight:600;overflow-wrap:normal}tbody tr:last-child>*{border-bottom:0}
.scroll{overflow-x:auto}.scroll th,.scroll td{white-space:nowrap}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:16px 20px;margin:0}
dt{font-size:14px;color:var(--muted)}
dd{margin:0;font-size:20px;font-weight:600;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;margin:12px 0 0;padding:0;list-style:none;font-size:14px;
color:var(--muted)}
.legend li{display:flex;align-items:center;gap:7px}
.key{width:20px;height:0;border-top:3px solid var(--muted)}
.key.agent,.key.after{border-color:var(--agent)}.key.human{border-color:var(--human)}
.key.before{border-color:var(--before);border-top-style:dashed}
.key.trend{border-color:var(--edge)}.key.ceiling{border-color:var(--ceiling);border-top-style:dashed}
.key.disc{width:10px;height:10px;border:0;border-radius:50%}.key.disc.agent{background:var(--agent)}
.key.disc.human{background:var(--human)}
.verdict{display:grid;grid-template-columns:96px 1fr 56px;gap:14px;align-items:center;padding:4px 0}
.verdict b{text-align:right;font-variant-numeric:tabular-nums}
.verdict svg{height:10px}.rail{fill:var(--rule)}.fill{fill:var(--edge)}.fill.good{fill:var(--good)}
.fill.bad{fill:var(--bad)}.fill.star{fill:var(--human)}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--muted)}
text.name,text.far{fill:var(--text)}text.far{font-size:20px}
.grid{stroke:var(--rule)}.axis{stroke:var(--edge)}.gate{stroke:var(--text);stroke-width:1.2;opacity:.55}
.band{fill:var(--corner);opacity:.35}
.road{fill:var(--road)}.road.corner{fill:var(--corner)}.edge{fill:none;stroke:var(--edge);stroke-width:1.6}
.line{fill:none;stroke-width:2.4;stroke-linejoin:round;stroke-linecap:round}
.line.before{stroke:var(--before);stroke-dasharray:6 5}.line.human{stroke:var(--human)}
.line.after{stroke:var(--agent)}
.cross{fill:none;stroke-width:3}.cross.before{stroke:var(--before)}.cross.human{stroke:var(--human)}
.cross.after{stroke:var(--agent)}
.trend{fill:none;stroke:var(--edge);stroke-width:2}
.ceiling{stroke:var(--ceiling);stroke-dasharray:5 4;stroke-width:1.5}
.dot.agent{fill:var(--agent)}.dot.human{fill:var(--human)}.failure{fill:var(--bad);opacity:.3}
footer{max-width:1080px;margin:0 auto;padding:0 20px 32px;font-size:13px;color:var(--muted);overflow-wrap:anywhere}
@media (max-width:760px){main{grid-template-columns:minmax(0,1fr);padding:20px 12px;gap:14px}
section{padding:16px 14px}h1{font-size:25px}
.lead{font-size:18px}.outcomes{grid-template-columns:1fr 1fr;gap:18px}.outcomes table{grid-column:1/-1}
.dots{grid-template-columns:repeat(10,11px);gap:3px}.dots i{width:11px;height:11px}
text{font-size:14.5px}text.far{font-size:38px}.scroll table{min-width:540px}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
