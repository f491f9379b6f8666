#pragma once

#include <string_view>

namespace weightscope::detail {

// Last part of the script of a scan's page: the table of layers, which is in the page without it, becomes one that sorts, filters and opens.
inline constexpr std::string_view html_script_table = R"js(
const data = JSON.parse(document.getElementById('data').textContent);
const layers = data.layers, fieldAt = new Map(data.fields.map((field, i) => [field[0], i]));
const wordOf = value => typeof value === 'string' ? data.words[value] : value;
const values = data.values.map(column => Array.isArray(column) ? column.map(wordOf) : wordOf(column));
const valueAt = (layer, at) => (Array.isArray(values[at]) ? values[at][layer.i] : values[at]) ?? null;
const fieldOf = (layer, field) => fieldAt.has(field) ? valueAt(layer, fieldAt.get(field)) : null;
tipOf = text => text.replace(/^#(\d+)(?=: )/, (place, i) => layers[i - 1] ? `${layers[i - 1].n} [${layers[i - 1].s}]` : place);
const body = find('rows'), filterBox = find('filter'), levelBox = find('level'), figureBox = find('figure'), countLine = find('count');
const rows = new Array(layers.length);
for (const row of body.querySelectorAll('tr')) {
  row.dataset.i = row.id.slice('layer-'.length);
  rows[row.dataset.i] = row;
  const button = Object.assign(row.querySelector('button'), { className: 'name', type: 'button' });
  button.setAttribute('aria-expanded', 'false');
}
layers.forEach((layer, i) => { layer.i = i; layer.score ??= 100; layer.f ??= []; layer.notes = (layer.notes ?? []).map(k => data.words[k]); });
const buttonOf = i => rows[i].querySelector('button.name');
const severities = { critical: 3, warning: 2, info: 1 };
const searchText = layers.map(layer => [layer.n, layer.s, layer.d, ...layer.f.map(k => data.findings[k].rule)].join(' ').toLowerCase());

// What a column sorts by, and whether its largest stand first when it is chosen.
const columns = {
  place: { of: (layer, i) => i }, name: { of: layer => layer.n }, type: { of: layer => layer.d },
  score: { of: layer => layer.score }, parameters: { of: layer => layer.p, descending: true },
  findings: { of: layer => (severities[layer.l] ?? 0) * 1e6 + layer.f.length, descending: true },
  figure: { of: layer => fieldOf(layer, figureBox.value), descending: true },
};
const seen = new IntersectionObserver(news => { if (news.some(n => n.isIntersecting)) showMore(); }, { rootMargin: '600px' });
const atOnce = 200, details = new Map(), more = find('more');
let sorted = { key: 'findings', descending: true }, order = [], taken = layers.map(() => true), limit = atOnce;

function orderOf({ key, descending }) {
  const value = (columns[key] ?? { of: layer => fieldOf(layer, key) }).of, order = layers.map((layer, i) => i);
  const keys = layers.map(value);
  const rank = k => isNumber(k) || (typeof k === 'string' && (key === 'name' || key === 'type')) ? 0 : 1;   // what has no number stands last
  const compare = (a, b) => typeof a === 'string' ? a.localeCompare(b, 'en', { numeric: true }) : a - b;
  return order.sort((a, b) => rank(keys[a]) - rank(keys[b]) || (rank(keys[a]) ? 0 : (descending ? -1 : 1) * compare(keys[a], keys[b])) || a - b);
}

// Only the first rows are in the page; more come when its reader gets there, and all of them on paper.
function drawRows() {
  const parts = document.createDocumentFragment(), places = order.filter(i => taken[i]);
  for (const i of places.slice(0, limit)) {
    const button = buttonOf(i);
    if (button.childNodes.length === 1)   // names break after their parts rather than anywhere
      button.replaceChildren(...button.textContent.split(/(?<=[._/])/).flatMap(part => [part, document.createElement('wbr')]));
    rows[i].lastElementChild.textContent = show(fieldOf(layers[i], figureBox.value));
    parts.append(rows[i]);
    if (details.has(i)) parts.append(details.get(i));
  }
  body.replaceChildren(parts);
  more.hidden = places.length <= limit;
  countLine.textContent = `${show(places.length)} of ${show(layers.length)} layers`;
}

function sortRows() {
  order = orderOf(sorted);
  drawRows();
  for (const head of document.querySelectorAll('#layers-table th[data-key]'))
    head.setAttribute('aria-sort', head.dataset.key === sorted.key ? (sorted.descending ? 'descending' : 'ascending') : 'none');
}

function sortBy(key) {
  const first = columns[key] ? !!columns[key].descending : true;
  sorted = { key, descending: sorted.key === key ? !sorted.descending : first };
  sortRows();
}

function filterRows() {
  const wanted = filterBox.value.toLowerCase().split(/\s+/).filter(Boolean), level = levelBox.value;
  taken = layers.map((layer, i) => wanted.every(part => searchText[i].includes(part))
    && (level === 'any' || (level === 'none' ? !layer.l : layer.f.some(k => data.findings[k].level === level))));
  drawRows();
}

function showMore() {
  limit += atOnce;
  drawRows();
  seen.unobserve(more);   // and so is told again while it stays in sight
  seen.observe(more);
}

function chooseFigure() {
  const field = figureBox.value, [, meaning] = data.fields[fieldAt.get(field)];
  find('figure-head').textContent = field.slice(field.indexOf('.') + 1);
  find('figure-head').dataset.tip = `${field}: ${meaning}`;
  find('across').replaceChildren(drawAcross(layers, layer => fieldOf(layer, field), field, -1, 1000, openLayer));
  if (sorted.key === 'figure') sortRows();
  else drawRows();
}

function foundList(layer) {
  return layer.f.map(k => {
    const f = data.findings[k];
    return element('div', { className: 'found ' + f.level }, element('p', {}, element('span', { className: 'level ' + f.level }, f.level), ' ',
      element('span', { className: 'name' }, f.rule), f.state ? ` (${f.state})` : ''), element('p', {}, `${f.message}; ${f.meaning ?? data.rules[f.rule][0]}`), element('p', { className: 'do' }, f.remedy ?? data.rules[f.rule][1]));
  });
}

function figureTables(layer) {
  const groups = new Map();
  data.fields.forEach(([field, meaning], i) => {
    const value = valueAt(layer, i);
    if (value === null) return;
    const dot = field.indexOf('.'), group = field.slice(0, dot);
    if (!groups.has(group)) groups.set(group, element('table', {}, element('caption', { className: 'name' }, group)));
    const head = element('th', { scope: 'row' }, field.slice(dot + 1));
    if (meaning) head.dataset.tip = meaning;
    groups.get(group).append(element('tr', {}, head, element('td', { className: 'number' }, show(value))));
  });
  return element('div', { className: 'figures' }, ...groups.values());
}

function layerCharts(i) {
  const layer = layers[i], figure = field => fieldOf(layer, field), charts = element('div', { className: 'charts' });
  if (layer.h) {
    let logarithmic = true, shown = drawHistogram(layer, figure, logarithmic);
    const toggle = element('button', { className: 'plain', type: 'button' }, 'linear');
    toggle.addEventListener('click', () => {
      logarithmic = !logarithmic;
      const next = drawHistogram(layer, figure, logarithmic);
      shown.replaceWith(next);
      shown = next;
      toggle.textContent = logarithmic ? 'linear' : 'logarithmic';
    });
    charts.append(figureOf('Weights; red: Gaussian', shown, toggle));
  }
  if (layer.t) charts.append(figureOf('Largest singular values', drawSpectrum(layer, figure)));
  if (isNumber(figure('quantization.bits'))) charts.append(figureOf('What quantizing costs', drawErrors(layer, figure)));
  if (fieldAt.has(figureBox.value)) charts.append(figureOf(`Among all layers: ${figureBox.value}`, drawAcross(layers, l => fieldOf(l, figureBox.value), figureBox.value, i, 360, openLayer)));
  return charts;
}

function toggleLayer(i, open = !details.has(i)) {
  const button = buttonOf(i);
  button.setAttribute('aria-expanded', String(open));
  if (!open) {
    details.get(i)?.remove();
    details.delete(i);
  }
  if (!open || details.has(i)) return;
  const layer = layers[i], cell = element('td', { colSpan: 20 });
  for (const note of layer.notes) cell.append(element('p', { className: 'faint' }, note));
  cell.append(...foundList(layer), layerCharts(i), figureTables(layer));
  const detail = element('tr', { className: 'detail', id: 'detail-' + i }, cell);
  button.setAttribute('aria-controls', detail.id);
  details.set(i, detail);
  rows[i].after(detail);
}

function openLayer(i) {
  if (!taken[i]) { filterBox.value = ''; levelBox.value = 'any'; filterRows(); }
  if (!rows[i].isConnected) { limit = order.indexOf(i) + atOnce; drawRows(); }
  toggleLayer(i, true);
  buttonOf(i).focus({ preventScroll: true });
  rows[i].scrollIntoView({ block: 'start' });
}

// Arrows go from layer to layer, Escape closes the one that the focus is in.
function onKey(event) {
  const row = event.target.closest?.('#rows > tr');
  if (event.key === '/' && !['INPUT', 'SELECT'].includes(event.target.tagName)) { filterBox.focus(); event.preventDefault(); return; }
  if (event.key === 'Escape' && event.target === filterBox) { filterBox.value = ''; filterRows(); return; }
  if (!row) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === 'Escape') {
    const i = Number(row.dataset.i ?? row.id.slice('detail-'.length));
    toggleLayer(i, false);
    buttonOf(i).focus();
  } else if (step && event.target.matches('button.name')) {
    let next = row;
    do next = step > 0 ? next.nextElementSibling : next.previousElementSibling; while (next && next.dataset.i === undefined);
    next?.querySelector('button.name').focus();
    event.preventDefault();
  }
}

function followLink() {
  const wanted = /^#layer-(\d+)$/.exec(location.hash);
  if (wanted && rows[wanted[1]]) openLayer(Number(wanted[1]));
}

for (const head of document.querySelectorAll('#layers-table th[data-key]')) head.querySelector('button').addEventListener('click', () => sortBy(head.dataset.key));
body.addEventListener('click', event => { const button = event.target.closest('button.name'); if (button) toggleLayer(Number(button.closest('tr').dataset.i)); });
for (const event of ['input', 'search']) filterBox.addEventListener(event, filterRows);
levelBox.addEventListener('change', filterRows);
figureBox.addEventListener('change', chooseFigure);
document.addEventListener('keydown', onKey);
addEventListener('hashchange', followLink);
document.addEventListener('click', event => { if (event.target.closest?.('a')?.getAttribute('href') === location.hash) followLink(); });   // the same one again
more.addEventListener('click', showMore);
seen.observe(more);
addEventListener('beforeprint', () => { limit = layers.length; drawRows(); });
sortRows();
if (figureBox.options.length) chooseFigure();
document.documentElement.classList.add('runs');
followLink();
)js";

}  // namespace weightscope::detail
