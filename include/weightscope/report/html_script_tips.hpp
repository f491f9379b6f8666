#pragma once

#include <string_view>

namespace weightscope::detail {

// The part of a page's script that all pages have: what a mark of a chart or a heading stands for is told when it is pointed at or
// touched, and charts have names for readers that do not see them.
inline constexpr std::string_view html_script_tips = R"js(
const find = id => document.getElementById(id);
let tipOf = text => text;

// What a mark stands for, beside the pointer; the charts that were drawn before carry it as <title>.
function tellMark(event) {
  let at = event.target instanceof Element ? event.target : null;
  const title = at?.ownerSVGElement && at.querySelector(':scope > title');
  if (title) { at.dataset.tip = title.textContent; title.remove(); }
  at = at?.closest('[data-tip]');
  const tip = find('tip');
  tip.hidden = !at;
  if (!at) return;
  tip.textContent = tipOf(at.dataset.tip);
  const box = tip.getBoundingClientRect(), x = Math.min(event.clientX + 12, document.documentElement.clientWidth - box.width - 8);
  tip.style.left = `${Math.max(x, 4) + scrollX}px`;
  tip.style.top = `${(event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + scrollY}px`;
}

for (const svg of document.querySelectorAll('.overview svg')) {   // else its name would be told over every mark
  const title = svg.querySelector(':scope > title');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', title?.textContent ?? '');
  title?.remove();
}
document.addEventListener('pointerover', tellMark);
document.addEventListener('pointerdown', tellMark);
)js";

}  // namespace weightscope::detail
