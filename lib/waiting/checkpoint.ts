import { currentScope } from './context';

/**
 * Begins a checkpoint that is an async function of several steps.
 * @throws CancelledError if a scope around the caller is cancelled
 */
export function throwIfCancelled(): void {
  const cancellation = currentScope()?.cancellation ?? null;
  if (cancellation !== null) throw cancellation;
}
