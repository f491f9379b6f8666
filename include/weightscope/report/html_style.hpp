#pragma once

#include <string_view>

namespace weightscope::detail {

// How a page looks: on a screen, on a phone, on paper. Light ground, the reader's own fonts, colours that all kinds of colour vision
// tell apart; no colour stands without a word beside it.
inline constexpr std::string_view html_style = R"css(
:root { color-scheme: light; --ink: #222; --faint: #5a5a5a; --line: #d9d9d9; --ground: #f6f7f8; --accent: #005a8e;
        --critical: #d55e00; --warning: #e69f00; --info: #56b4e9; --none: #0072b2; }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0 auto; max-width: 1200px; padding: 1rem 1.25rem 4rem; color: var(--ink); background: #fff;
       font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { margin: .2rem 0; font-size: 1.6rem; line-height: 1.2; }
h2 { margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid var(--line); font-size: 1.2rem; }
h3 { margin: 0 0 .2rem; font-size: 1rem; }
h4 { margin: 1rem 0 .3rem; font-size: .95rem; }
p { margin: .3rem 0; }
a { color: var(--accent); }
.name { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .87em; overflow-wrap: anywhere; }
.faint { color: var(--faint); }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: .6rem 0 0; padding: 0; list-style: none; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; padding: .4rem .8rem; background: #fff; z-index: 3; }

/* the verdict */
.verdict { padding: .9rem 1.1rem; border-left: 10px solid var(--none); background: var(--ground); }
.verdict.Excellent, .verdict.Good { border-color: #009e73; }
.verdict.Warning { border-color: var(--warning); }
.verdict.Critical { border-color: var(--critical); }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .6rem 0 0; }
dl.facts dt { color: var(--faint); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }

/* what was found: a word in a frame whose side has the colour of its severity */
.level { display: inline-block; padding: 0 .45em; border: 1px solid var(--line); border-left: .6em solid var(--none); background: #fff;
         font-size: .87em; white-space: nowrap; }
.level.critical { border-left-color: var(--critical); font-weight: 700; }
.level.warning { border-left-color: var(--warning); }
.level.info { border-left-color: var(--info); }
.found { margin: .8rem 0; padding: .1rem 0 .1rem .8rem; border-left: 4px solid var(--line); }
.found.critical { border-color: var(--critical); }
.found.warning { border-color: var(--warning); }
.found.info { border-color: var(--info); }
.found ul { margin: .2rem 0; padding-left: 1.2rem; }
.do { font-weight: 600; }

/* tables */
.scroll { overflow-x: auto; }
@media (min-width: 1200px) { .scroll.layers { overflow-x: visible; } }  /* so that the headings stay in sight */
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--ground); font-weight: 600; vertical-align: bottom; }
.number { text-align: right; }
#layers-table { font-size: .93em; }
#layers-table thead th { position: sticky; top: 0; z-index: 1; }
th button { all: unset; cursor: pointer; display: inline-block; }
th button::after { content: "\00a0\2195"; color: #999; }
th[aria-sort=ascending] button::after { content: "\00a0\2191"; color: var(--ink); }
th[aria-sort=descending] button::after { content: "\00a0\2193"; color: var(--ink); }
#rows > tr > td > button { all: unset; cursor: pointer; color: var(--accent); text-decoration: underline; text-decoration-color: transparent;
                 font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .87em; overflow-wrap: anywhere; }
#rows > tr > td > button::before { content: "\25b8\00a0"; }
#rows > tr > td > button[aria-expanded=true]::before { content: "\25be\00a0"; }
#rows > tr > td > button:hover { text-decoration-color: currentColor; }
th button:focus-visible, #rows > tr > td > button:focus-visible, td button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
/* its columns: place, name, score, findings, shape, type, figures, the figure of choice */
#layers-table > * > tr:not(.detail) > :is(:nth-child(1), :nth-child(3), :nth-child(n+7)) { text-align: right; }
#rows > tr > td:nth-child(2) { min-width: 14rem; }
#rows > tr > td:nth-child(4) { min-width: 8rem; }
html:not(.runs) #layers-table > * > tr > :last-child { display: none; }
#more { margin: .8rem 0; }
[hidden] { display: none !important; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: end; margin: .6rem 0; }
.tools label { display: grid; gap: .1rem; font-size: .87em; color: var(--faint); }
.tools input, .tools select { min-height: 2.1rem; padding: .2rem .5rem; font: inherit; color: var(--ink); border: 1px solid #8a8a8a; border-radius: 3px; background: #fff; }
.tools input { width: 22rem; max-width: 100%; }
.scripted { display: none; }
.runs .scripted { display: revert; }
.runs div.scripted { display: flex; }
td.empty { text-align: center; padding: 1.5rem; }
.sorts td.name { min-width: 13rem; }
.sorts td.number { white-space: nowrap; }
.sorts .scroll { max-height: 75vh; overflow: auto; }  /* so that what follows a long table is not far */
.sorts thead th { position: sticky; top: 0; z-index: 1; }

/* one layer */
tr.detail > td { padding: .4rem .6rem 1.2rem 1.4rem; background: var(--ground); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(310px, 1fr)); gap: .8rem; margin: .6rem 0; }
.charts figure, .overview figure { margin: 0; padding: .5rem; border: 1px solid var(--line); background: #fff; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption { font-size: .9em; font-weight: 600; }
.overview figure { margin: 1rem 0; overflow-x: auto; content-visibility: auto; contain-intrinsic-size: auto 1000px auto 800px; }
.figures { column-width: 20rem; column-gap: 1.5rem; }
.figures table { break-inside: avoid; margin-bottom: .8rem; font-size: .87em; table-layout: fixed; }
.figures th { background: none; font-weight: 400; overflow-wrap: anywhere; }
.figures td { width: 36%; overflow-wrap: anywhere; }
.figures caption { text-align: left; font-weight: 700; }
.figures th[data-tip] { cursor: help; }
button.plain { padding: .1rem .5rem; font: inherit; font-size: .85em; border: 1px solid #8a8a8a; border-radius: 3px; background: #fff; cursor: pointer; }
.point { cursor: pointer; }
#tip { position: absolute; z-index: 4; max-width: min(28rem, 90vw); padding: .25rem .5rem; border-radius: 3px; color: #fff; background: #222;
       font-size: .85em; overflow-wrap: anywhere; pointer-events: none; }
details > summary { cursor: pointer; }

@media screen and (max-width: 760px) {
  body { padding: .6rem .7rem 3rem; }
  h1 { font-size: 1.3rem; }
  #layers-table > * > tr:not(.detail) > :is(:nth-child(1), :nth-child(n+5)) { display: none; }
  #rows > tr > td:nth-child(2), #rows > tr > td:nth-child(4) { min-width: 0; }
  .tools label, .tools input, .tools select { width: 100%; }
  .overview svg { max-width: none; }
  tr.detail > td { padding: .3rem .2rem 1rem .5rem; }
  .charts { grid-template-columns: 1fr; }
  #rows > tr > td > button { padding: .35rem 0; }
  .sorts td.name { position: sticky; left: 0; min-width: 8rem; background: #fff; }
  .sorts td:not(.name, .number) { min-width: 9rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  nav, .tools, #tip, #more, .skip, button.plain { display: none !important; }
  .verdict, .found, figure, tr { break-inside: avoid; }
  #layers-table thead th { position: static; }
  th button::after, #rows > tr > td > button::before { content: none; }
  #rows > tr > td > button { color: inherit; }
  .overview figure { overflow: visible; border: 0; padding: 0; content-visibility: visible; }
  .scroll, .scroll.layers, .sorts .scroll { max-height: none; overflow: visible; }
  .sorts thead th { position: static; }
  #layers-table { font-size: 7pt; }
  #rows > tr > td:nth-child(2), #rows > tr > td:nth-child(4), .sorts td.name { min-width: 0; }
  .sorts table { font-size: 7.5pt; }
  .sorts td.number { white-space: normal; }
  th, td { padding: .1rem .3rem; }
  a { color: inherit; text-decoration: none; }
}
)css";

}  // namespace weightscope::detail
