// Numbers and tables as text.

/** @param {number} value */
export function digits(value) {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

/** @param {string[]} columns @param {string[][]} rows */
export function textTable(columns, rows) {
  const widths = columns.map((column, i) =>
    Math.max(column.length, ...rows.map((row) => row[i].length)),
  );
  const line = (/** @type {string[]} */ row) =>
    row
      .map((cell, i) =>
        i === 0 || columns[i] === 'notes' ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
      )
      .join('  ')
      .trimEnd();
  return [line(columns), ...rows.map(line)].join('\n');
}
