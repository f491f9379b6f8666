#pragma once

#include <string_view>

namespace weightscope::detail {

// First part of the script of a scan's page: numbers as people read them, axes, and the charts of one layer, drawn as SVG from the page's data.
// Texts from outside enter the page as text alone, never as markup.
inline constexpr std::string_view html_script_charts = R"js(
const blue = '#0072b2', sky = '#56b4e9', orange = '#e69f00', vermilion = '#d55e00', black = '#000000', faint = '#5a5a5a';
const levelColors = { critical: vermilion, warning: orange, info: sky };

// A number as short as a reader wants it; a text is the reason why there is none.
function show(value) {
  if (value === null || value === undefined) return '\u2013';
  if (typeof value !== 'number') return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return value.toLocaleString('en-US');
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4)) return value.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
}

const isNumber = value => typeof value === 'number' && Number.isFinite(value);

function element(tag, properties = {}, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

// A mark of a chart; what it stands for is told when it is pointed at.
function mark(parent, tag, attributes, tip) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, typeof value === 'number' ? Math.round(value * 100) / 100 : value);
  if (tip !== undefined) e.dataset.tip = tip;
  parent.append(e);
  return e;
}

function word(parent, x, y, text, attributes = {}) {
  mark(parent, 'text', { x, y, 'font-size': 11, fill: faint, ...attributes }).textContent = text;
}

function picture(width, height, label) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label, 'font-family': 'sans-serif' }))
    svg.setAttribute(name, value);
  return svg;
}

// Ends at round numbers, with few round ticks; values that are not finite, or not positive where it is logarithmic, do not count.
function axisOf(values, { logarithmic = false, zero = false, count = 5 } = {}) {
  const shown = values.filter(v => isNumber(v) && (!logarithmic || v > 0));
  let low = Math.min(...shown), high = Math.max(...shown);
  if (!shown.length) [low, high] = logarithmic ? [1, 10] : [0, 1];
  const ticks = [];
  if (logarithmic) {
    let first = Math.floor(Math.log10(low) + 1e-9), last = Math.ceil(Math.log10(high) - 1e-9);
    if (last === first) ++last;
    const step = Math.max(1, Math.ceil((last - first) / count));
    for (let e = first; e <= last; e += step) ticks.push(10 ** e);
    [low, high] = [10 ** first, 10 ** last];
    return { low, high, ticks, share: v => clamp((Math.log10(Math.max(v, low)) - first) / (last - first)) };
  }
  if (zero) [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  if (!(high - low > 1e-9 * Math.max(Math.abs(low), Math.abs(high)))) [low, high] = zero ? [low, high || 1] : [low - (Math.abs(low) || 1) / 10, high + (Math.abs(high) || 1) / 10];
  const raw = (high - low) / count, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find(s => s * unit >= raw * (1 - 1e-9)) * unit;
  [low, high] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  for (let i = Math.round(low / step); i <= Math.round(high / step); ++i) ticks.push(Number((i * step).toPrecision(12)));
  return { low, high, ticks, share: v => clamp((v - low) / (high - low)) };
}

const clamp = share => Math.min(Math.max(share, 0), 1);
const tickWord = value => value !== 0 && (Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3) ? value.toExponential().replace('e+', 'e') : String(Number(value.toPrecision(6)));

// A frame with two axes; tells where a point lies in it.
function panel(svg, x, y, [left, top, width, height], xWord, yWord) {
  const across = v => left + x.share(v) * width, up = v => top + height - y.share(v) * height;
  let freeFrom = -1e9;
  for (const tick of x.ticks) {
    const at = across(tick), text = tickWord(tick), half = 3.2 * text.length;
    mark(svg, 'line', { x1: at, y1: top, x2: at, y2: top + height, stroke: '#e4e4e4' });
    if (at - half < freeFrom) continue;
    word(svg, at, top + height + 14, text, { 'text-anchor': 'middle', 'font-size': 10 });
    freeFrom = at + half + 4;
  }
  for (const tick of y.ticks) {
    mark(svg, 'line', { x1: left, y1: up(tick), x2: left + width, y2: up(tick), stroke: '#e4e4e4' });
    word(svg, left - 4, up(tick) + 3.5, tickWord(tick), { 'text-anchor': 'end', 'font-size': 10 });
  }
  mark(svg, 'polyline', { points: `${left},${top} ${left},${top + height} ${left + width},${top + height}`, fill: 'none', stroke: faint });
  word(svg, left + width / 2, top + height + 29, xWord, { 'text-anchor': 'middle' });
  word(svg, left, top - 7, yWord);
  return { across, up, bottom: top + height };
}

function figureOf(caption, svg, ...controls) {
  return element('figure', {}, element('figcaption', {}, caption), svg, ...controls);
}

// How the weights are spread, beside a Gaussian of their mean and standard deviation.
function drawHistogram(layer, figure, logarithmic) {
  const [low, high, text] = layer.h, counts = text.split(' ').map(count => parseInt(count, 36)), step = (high - low) / counts.length;
  const svg = picture(360, 235, `histogram of the weights of ${layer.n}, from ${show(low)} to ${show(high)}`);
  const y = axisOf([...counts, logarithmic ? 1 : 0], { logarithmic, zero: !logarithmic, count: 4 });
  const p = panel(svg, axisOf([low, high]), y, [48, 22, 300, 175], 'weight', 'entries per bin');
  counts.forEach((count, i) => {
    if (count === 0) return;
    const from = low + i * step, top = Math.min(p.up(count), p.bottom - 2);
    mark(svg, 'rect', { x: p.across(from), y: top, width: Math.max(p.across(from + step) - p.across(from) - 0.5, 0.8), height: p.bottom - top, fill: blue },
      `${show(from)} to ${show(from + step)}: ${show(count)} ${count === 1 ? 'weight' : 'weights'}`);
  });
  const mean = figure('basic_stats.mean'), std = figure('basic_stats.std'), total = counts.reduce((a, b) => a + b, 0);
  if (isNumber(std) && std > 0) {
    const points = [];
    for (let i = 0; i <= 120; ++i) {
      const w = low + (high - low) * i / 120, expected = total * step * Math.exp(-(((w - mean) / std) ** 2) / 2) / (std * Math.sqrt(2 * Math.PI));
      if (!logarithmic || expected >= y.low) points.push(`${p.across(w).toFixed(1)},${p.up(expected).toFixed(1)}`);
    }
    mark(svg, 'polyline', { points: points.join(' '), fill: 'none', stroke: vermilion, 'stroke-width': 1.5 }, 'Gaussian of the same mean and standard deviation');
  }
  return svg;
}

// The largest singular values, and where those of a random matrix end.
function drawSpectrum(layer, figure) {
  const values = layer.t, limit = figure('spectral.marchenko_pastur.fitted.spike_limit'), edge = isNumber(limit) ? Math.sqrt(limit) : null;
  const svg = picture(360, 235, `largest singular values of ${layer.n}`);
  const p = panel(svg, axisOf([1, Math.max(values.length, 2)]), axisOf([...values, edge ?? 0], { zero: true, count: 4 }), [48, 22, 300, 175], 'number', 'singular value');
  if (edge !== null)
    mark(svg, 'line', { x1: 48, x2: 348, y1: p.up(edge), y2: p.up(edge), stroke: vermilion, 'stroke-dasharray': '4 3', 'stroke-width': 1.5 }, `random matrices end here: ${show(edge)}`);
  mark(svg, 'polyline', { points: values.map((v, i) => `${p.across(i + 1)},${p.up(v)}`).join(' '), fill: 'none', stroke: sky, 'stroke-width': 1.5 });
  values.forEach((v, i) => mark(svg, 'circle', { cx: p.across(i + 1), cy: p.up(v), r: 4, fill: blue }, `number ${i + 1}: ${show(v)}`));
  return svg;
}

// What rounding costs with coarse and fine scales; more decibels are better.
function drawErrors(layer, figure) {
  const rows = [['one scale', 'sqnr_db', vermilion], ['per row', 'per_channel_sqnr_db', orange], ['per group', 'group_sqnr_db', blue], ['Gaussian', 'gaussian_sqnr_db', black]]
    .map(([name, field, color]) => ({ name, color, value: figure('quantization.' + field) }));
  const svg = picture(360, 170, `error of quantizing ${layer.n}`), x = axisOf(rows.map(r => r.value), { zero: true });
  const p = panel(svg, x, { low: 0, high: 1, ticks: [], share: clamp }, [72, 12, 276, 118], `SQNR in dB at ${show(figure('quantization.bits'))} bits`, '');
  rows.forEach((row, i) => {
    const top = 18 + 28 * i;
    word(svg, 66, top + 14, row.name, { 'text-anchor': 'end' });
    if (isNumber(row.value)) mark(svg, 'rect', { x: 72, y: top, width: Math.max(p.across(row.value) - 72, 1), height: 20, fill: row.color }, `${row.name}: ${show(row.value)} dB`);
    else word(svg, 78, top + 14, show(row.value));
  });
  return svg;
}

// One figure of all layers in model order; `chosen` is ringed.
function drawAcross(layers, valueOf, name, chosen, width, open) {
  const values = layers.map(valueOf), positive = values.filter(v => isNumber(v) && v > 0);
  const wide = positive.length > 1 && positive.length === values.filter(isNumber).length && Math.max(...positive) / Math.min(...positive) > 1000;
  const svg = picture(width, 250, `${name} of all layers`);
  const p = panel(svg, axisOf([0, Math.max(layers.length - 1, 1)], { count: 8 }), axisOf(values, { logarithmic: wide }), [58, 22, width - 72, 184], 'layer, in model order', name);
  layers.forEach((layer, i) => {
    if (!isNumber(values[i])) return;
    const c = mark(svg, 'circle', { cx: p.across(i), cy: p.up(values[i]), r: i === chosen ? 6 : layers.length > 400 ? 2.5 : 4, fill: levelColors[layer.l] ?? blue, class: 'point' },
      `${layer.n}: ${show(values[i])}${layer.l ? ` (${layer.l})` : ''}`);
    if (i === chosen) c.setAttribute('stroke', black);
    c.addEventListener('click', () => open(i));
  });
  return svg;
}
)js";

}  // namespace weightscope::detail
