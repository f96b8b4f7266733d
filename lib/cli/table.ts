/**
 * Formats rows of cells as text. Each column is as wide as its widest cell. A column of numbers,
 * where every cell begins with a digit or a dash, is aligned to the right.
 */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const columns = header.map((title, column) => {
    const cells = rows.map((row) => row[column] ?? '');
    return {
      width: Math.max(title.length, ...cells.map((cell) => cell.length)),
      isNumeric:
        cells.some((cell) => cell !== '') &&
        cells.every((cell) => cell === '' || /^[\d–-]/.test(cell)),
    };
  });
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ width, isNumeric }, column) =>
        isNumeric ? (cells[column] ?? '').padStart(width) : (cells[column] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd();
  const rule = columns.map(({ width }) => '─'.repeat(width)).join('  ');
  return [line(header), rule, ...rows.map(line)].join('\n');
}
