// Pieces of the page. Tags that HTML lets one leave out are left out: the page is all tables.

/** @param {unknown} value */
export function escape(value) {
  return String(value).replace(/[&<>"]/g, (character) => `&#${String(character.codePointAt(0))};`);
}

/**
 * @typedef {object} Cell
 * @property {string} text
 * @property {readonly number[]} [bar] Drawn behind the text: one or two ends, from 0 to 1.
 * @property {number} [rows] That it goes over. Such a cell is a heading.
 */

/** @param {string | Cell} cell @param {string} [name] Of a class. */
function cellHtml(cell, name = '') {
  const { text, bar, rows } = typeof cell === 'string' ? { text: cell } : cell;
  if (rows !== undefined) return `<th rowspan=${String(rows)}>${escape(text)}`;
  const ends = (bar ?? []).map((end, i) => `--${'ab'[i]}:${(100 * end).toFixed(0)}%`);
  const style = ends.length === 0 ? '' : ` style=${ends.join(';')}`;
  return `<td${name === '' ? '' : ` class=${name}`}${style}>${escape(text)}`;
}

/**
 * @param {readonly string[]} columns
 * @param {readonly { cells: readonly (string | Cell)[], class?: string }[]} rows
 * @param {'numbers' | 'texts'} [kind]
 */
export function table(columns, rows, kind = 'numbers') {
  const head = columns.map((column) => `<th>${escape(column)}`).join('');
  const hasNotes = columns[columns.length - 1] === 'notes';
  const body = rows.map((row) => {
    const last = row.cells.length - 1;
    // Nothing stands behind the last cell that is not empty.
    const end = row.cells.findLastIndex((cell) => cell !== '') + 1;
    const cells = row.cells
      .slice(0, end)
      .map((cell, i) => cellHtml(cell, hasNotes && i === last ? 'note' : ''));
    return `<tr${row.class ? ` class=${row.class}` : ''}>${cells.join('')}`;
  });
  const name = kind === 'texts' ? ' class=texts' : '';
  return `<table${name}><thead><tr>${head}<tbody>\n${body.join('\n')}\n</table>`;
}

const style = `
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em;
  color: #222; }
h1, h2, h3, h4 { line-height: 1.2; }
h2 { border-bottom: 1px solid #ccc; padding-top: 1em; }
table { border-collapse: collapse; font-size: 13px; margin: .6em 0 1.2em; }
tr { border-bottom: 1px solid #e4e4e4; }
th, td { padding: .2em .6em; text-align: right; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child, th + td, .note, .texts * { text-align: left; }
th[rowspan] { vertical-align: top; }
tr.own td { font-weight: 600; }
td[style] { min-width: 11em; background: linear-gradient(90deg, #f0c08f var(--a),
  #d5dbe3 var(--a) var(--b, var(--a)), transparent var(--b, var(--a))); }
code { background: #f3f3f3; padding: .1em .3em; }
.note { color: #555; }
nav a { margin-right: 1em; }`;

/** @param {string} title @param {string} body */
export function page(title, body) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)}</title>
<style>${style}
</style>
${body}
`;
}
