/**
 * Describes an error to the user of the command. For an error with a `code`, such as a refused
 * connection or a port in use, the message is enough. Any other error may be a defect, and its
 * stack trace shows where.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The errors of several tasks. The task group's own message adds nothing to theirs.
  if (error instanceof AggregateError)
    return [...new Set((error.errors as unknown[]).map(describeError))].join('\n');
  return (error as { code?: unknown }).code !== undefined
    ? error.message
    : (error.stack ?? error.message);
}
