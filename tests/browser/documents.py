"""documents.py PAGE... [--pictures FOLDER]: what a reader does with the pages of comparisons, studies and plans, in a headless Chromium.

Every table sorts both ways and filters, at the width of a desk and of a phone; nothing is wider than the window, the console is silent
and no request leaves the page.
"""

import argparse
import pathlib
import re
import sys
import tempfile

from browser import Browser, missing

failed = []
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def check(holds, what):
    if not holds:
        failed.append(what)
        print("FAILED:", what, flush=True)


def cells(browser, table, column):
    return browser.run("return [...document.querySelectorAll(arguments[0] + ' tbody tr')].filter(r => !r.hidden).map(r => r.cells[arguments[1]].textContent)",
                       table, column)


def number(text):
    found = re.match(r"(?:x )?[^\w+-]*([+-]?\s?[\d,]*\.?\d+(?:e[+-]?\d+)?)\s*([KMGT]iB|B)?(?![\w.])", text)
    return float(found[1].replace(",", "").replace(" ", "")) * UNITS.get(found[2], 1) if found else None


def walk_table(browser, where, table):
    heads = browser.run("return [...document.querySelectorAll(arguments[0] + ' thead th')].map(h => h.classList.contains('number'))", table)
    rows = len(cells(browser, table, 0))
    for column, numeric in enumerate(heads):
        before = sorted(cells(browser, table, column))
        for turn in range(2):
            browser.run("document.querySelectorAll(arguments[0] + ' thead button')[arguments[1]].click()", table, column)
            after = cells(browser, table, column)
            check(sorted(after) == before, f"{where} {table}: sorting column {column} lost rows")
            told = browser.run("return document.querySelectorAll(arguments[0] + ' thead th')[arguments[1]].ariaSort", table, column)
            check(told == (("descending", "ascending") if numeric else ("ascending", "descending"))[turn], f"{where} {table}: column {column} is {told}")
            if numeric:
                values = [number(text) for text in after]
                known = [v for v in values if v is not None]
                check(values[:len(known)] == known, f"{where} {table}: cells without a number do not stand last: {after}")
                check(known == sorted(known, reverse=turn == 0), f"{where} {table}: column {column} is not in order: {after}")
    if browser.run("return document.querySelector(arguments[0] + ' input') === null", table):
        return
    wanted = cells(browser, table, 0)[-1]
    browser.type(f"{table} input", wanted)
    left = cells(browser, table, 0)
    check(wanted in left and len(left) <= rows, f"{where} {table}: the filter '{wanted}' leaves {left}")
    told = browser.text(f"{table} [role=status]")
    check(told == f"{len(left):,} of {rows:,} rows", f"{where} {table}: the count is {told}")
    browser.press("Escape")
    check(len(cells(browser, table, 0)) == rows, f"{where} {table}: Escape does not bring the rows back")


def walk(browser, page, where, pictures):
    browser.open(page)
    here = f"{where} {pathlib.Path(page).stem}"
    check(browser.run("return document.documentElement.scrollWidth <= innerWidth"), f"{here}: the page is wider than the window")
    check(browser.run("const h = document.querySelector('h1').getBoundingClientRect(); return h.top >= 0 && h.top < innerHeight / 4"), f"{here}: the verdict is not first")
    if pictures:
        browser.screenshot(pictures / f"{where}-{pathlib.Path(page).stem}.png", whole=True)
    tables = browser.run("return [...document.querySelectorAll('section.sorts')].map(s => '#' + s.id)")
    check(tables != [], f"{here}: there is no table")
    for table in tables:
        walk_table(browser, here, table)
    links = browser.run("return [...document.querySelectorAll('nav a')].map(a => document.querySelector(a.getAttribute('href')) !== null)")
    check(all(links), f"{here}: links lead nowhere")
    mark = browser.run("const t = document.querySelector('#charts svg title'); if (!t) return false; t.parentElement.id = 'mark'; "
                       "t.parentElement.scrollIntoView({block: 'center'}); return t.textContent")
    if mark:
        browser.run("document.querySelector('#mark').dispatchEvent(new PointerEvent('pointerover', {bubbles: true, clientX: 50, clientY: 50}))")
        check(browser.text("#tip") == mark, f"{here}: the tooltip says '{browser.text('#tip')}', expected '{mark}'")
    check(browser.run("return window.harmed") is None, f"{here}: a name ran as a script")
    complaints, asked = browser.complaints(), browser.requests()
    check(complaints == [], f"{here}: the console says {complaints}")
    check(asked == [pathlib.Path(page).absolute().as_uri()], f"{here}: asked for {asked}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("pages", nargs="+")
    arguments.add_argument("--pictures", type=pathlib.Path)
    arguments = arguments.parse_args()
    if lacking := missing():
        print(f"skipped: {', '.join(lacking)} is not there")
        sys.exit(77)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            for where, size in {"desktop": (1280, 900), "phone": (390, 844)}.items():
                browser.resize(*size)
                for page in arguments.pages:
                    walk(browser, page, where, arguments.pictures)
        finally:
            browser.close()
    sys.exit(1 if failed else 0)


main()
