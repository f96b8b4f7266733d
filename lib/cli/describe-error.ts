/**
 * An error for the reader of a terminal. A refused address or a taken port is no defect of the
 * program, and its message is enough; of anything else the stack tells where to look.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several tasks failed; their group says no more than they do.
  if (error instanceof AggregateError)
    return [...new Set((error.errors as unknown[]).map(describeError))].join('\n');
  return (error as { code?: unknown }).code !== undefined
    ? error.message
    : (error.stack ?? error.message);
}
