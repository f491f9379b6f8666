#pragma once

#include <string_view>

namespace weightscope::detail {

// The script of a document's page: its tables, which are in the page without it, become ones that sort and filter.
inline constexpr std::string_view html_script_document = R"js(
const units = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

// The number that a cell begins with, in bytes where it has a size; nothing where it begins with a word.
function numberOf(text) {
  const found = /^(?:x )?[^\w+-]*([+-]?\s?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*(B|[KMGT]iB)?(?![\w.])/i.exec(text);
  return found ? Number(found[1].replace(/[, ]/g, '')) * (units[found[2]] ?? 1) : null;
}

function makeTable(part) {
  const table = part.querySelector('table'), body = table.tBodies[0], filter = part.querySelector('input'), count = part.querySelector('[role=status]');
  const rows = [...body.rows], heads = [...table.tHead.rows[0].cells], texts = rows.map(row => row.textContent.toLowerCase());
  const order = new Map(rows.map((row, i) => [row, i]));
  let sorted = -1, descending = false;

  function sortBy(column) {
    const keys = new Map(rows.map(row => [row, numberOf(row.cells[column].textContent)]));
    const numeric = rows.some(row => keys.get(row) !== null) && heads[column].classList.contains('number');
    descending = sorted === column ? !descending : numeric;
    sorted = column;
    const word = row => row.cells[column].textContent;
    const rank = row => numeric && keys.get(row) === null ? 1 : 0;   // what has no number stands last
    const compare = (a, b) => numeric ? keys.get(a) - keys.get(b) : word(a).localeCompare(word(b), 'en', { numeric: true });
    rows.sort((a, b) => rank(a) - rank(b) || (rank(a) ? 0 : (descending ? -1 : 1) * compare(a, b)) || order.get(a) - order.get(b));
    body.append(...rows);
    heads.forEach((head, i) => head.setAttribute('aria-sort', i !== column ? 'none' : descending ? 'descending' : 'ascending'));
  }

  function filterRows() {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !wanted.every(part => texts[order.get(row)].includes(part));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown.toLocaleString('en-US')} of ${rows.length.toLocaleString('en-US')} rows`;
  }

  heads.forEach((head, i) => head.querySelector('button').addEventListener('click', () => sortBy(i)));
  if (!filter) return;
  for (const event of ['input', 'search']) filter.addEventListener(event, filterRows);
  filter.addEventListener('keydown', event => { if (event.key === 'Escape') { filter.value = ''; filterRows(); } });
  filterRows();
}

document.querySelectorAll('section.sorts').forEach(makeTable);
document.addEventListener('keydown', event => {
  const filter = document.querySelector('section.sorts input');
  if (event.key !== '/' || !filter || event.target.tagName === 'INPUT') return;
  filter.focus();
  event.preventDefault();
});
document.documentElement.classList.add('runs');
)js";

}  // namespace weightscope::detail
