import { isDebugging } from '../debug';
import { warn } from '../waiting/warn';
import type { Descriptor } from './descriptor';

/** Where sockets were created while debugging was on: a stack trace for each is expensive. */
const creations = new WeakMap<Descriptor, string>();

// The held value is the descriptor alone: an idle connection is to be small.
const registry = new FinalizationRegistry<Descriptor>((descriptor) => {
  const { fd } = descriptor;
  if (fd < 0) return;
  descriptor.close();
  const detail = creations.get(descriptor) ?? 'Set SOCKSCOPE_DEBUG=1 to see where it was created.';
  warn(
    `${descriptor.ownerLabel} (fd ${String(fd)}) was garbage-collected unclosed; its fd has been closed. ${detail}`,
    {
      type: 'ResourceWarning',
      code: 'SOCKSCOPE_UNCLOSED',
    },
  );
});

/**
 * Closes the descriptor, with a process warning, if `owner` is collected while the descriptor is
 * open. `what` names the owner in the warning.
 */
export function closeWhenCollected(owner: object, descriptor: Descriptor, what: string): void {
  descriptor.ownerLabel = what;
  if (isDebugging()) creations.set(descriptor, creationSite());
  registry.register(owner, descriptor, descriptor);
}

/** To be called when the descriptor is closed or detached, or gets another owner. */
export function forgetCollected(descriptor: Descriptor): void {
  registry.unregister(descriptor);
}

function creationSite(): string {
  const site: { stack?: unknown } = {};
  Error.captureStackTrace(site, closeWhenCollected);
  // A program may have set Error.prepareStackTrace, and then the stack may be of any type.
  const [, ...calls] = String(site.stack).split('\n');
  return `It was created:\n${calls.join('\n')}`;
}
