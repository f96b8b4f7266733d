// Pieces of the page.

/** @param {unknown} value */
export function escape(value) {
  return String(value).replace(/[&<>"]/g, (character) => `&#${String(character.codePointAt(0))};`);
}

/**
 * @param {readonly unknown[]} columns @param {readonly (readonly unknown[])[]} rows @param {(row:
 *   readonly unknown[]) => string} [className]
 */
export function table(columns, rows, className = () => '') {
  const cells = (/** @type {readonly unknown[]} */ row, /** @type {string} */ tag) =>
    row.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join('');
  const body = rows
    .map((row) => `<tr class="${className(row)}">${cells(row, 'td')}</tr>`)
    .join('\n');
  return `<table><thead><tr>${cells(columns, 'th')}</tr></thead>\n<tbody>${body}</tbody></table>`;
}

/**
 * Any object as headings and tables: for the modes whose results have shapes of their own.
 * @param {string} title @param {unknown} value @param {number} [level] Of the heading.
 * @returns {string}
 */
export function anything(title, value, level = 3) {
  const heading = `<h${String(level)}>${escape(title)}</h${String(level)}>`;
  if (Array.isArray(value) && value.length > 0 && value.every(isObject)) {
    const columns = [
      ...new Set(
        value.flatMap((row) =>
          Object.keys(row).filter((name) => !isObject(row[name]) && !Array.isArray(row[name])),
        ),
      ),
    ];
    return `${heading}${table(
      columns,
      value.map((row) => columns.map((name) => shown(row[name]))),
    )}`;
  }
  if (!isObject(value)) return `<p>${escape(title)}: ${escape(shown(value))}</p>`;
  const entries = Object.entries(value);
  return `${heading}${entries.map(([name, part]) => anything(name, part, Math.min(level + 1, 6))).join('\n')}`;
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {unknown} value */
function shown(value) {
  if (typeof value === 'number')
    return Number.isInteger(value) ? value : Number(value.toPrecision(4));
  return Array.isArray(value) ? value.map(shown).join(', ') : (value ?? '');
}

const style = `
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1060px; margin: 2em auto; padding: 0 1em; color: #222; }
h1, h2, h3 { line-height: 1.2; } h2 { border-bottom: 1px solid #ccc; padding-top: 1em; }
table { border-collapse: collapse; font-size: 13px; margin: .6em 0 1.2em; }
th, td { padding: .2em .6em; text-align: right; border-bottom: 1px solid #e4e4e4; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child, td:last-child { text-align: left; }
tr.own td { font-weight: 600; } tr.worse td { background: #fdf1ee; }
code { background: #f3f3f3; padding: .1em .3em; } .note { color: #555; } svg { max-width: 100%; height: auto; }
nav a { margin-right: 1em; }`;

/** @param {string} title @param {string} body */
export function page(title, body) {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(title)}</title>
<style>${style}
</style>
</head>
<body>
${body}
</body>
</html>
`;
}
