import { creationSite } from '../debug';
import { warnOfUnclosed } from '../waiting/warn';
import type { Descriptor } from './descriptor';

/** Where sockets were created while debugging was on: a stack trace for each is expensive. */
const creations = new WeakMap<Descriptor, string>();

// The held value is the descriptor alone: an idle connection is to be small.
const registry = new FinalizationRegistry<Descriptor>((descriptor) => {
  const { fd } = descriptor;
  if (fd < 0) return;
  descriptor.close();
  warnOfUnclosed(
    `${descriptor.ownerLabel} (fd ${String(fd)}) was garbage-collected unclosed; its fd has been closed.`,
    creations.get(descriptor),
  );
});

/**
 * Closes the descriptor, with a process warning, if `owner` is collected while the descriptor is
 * open. `what` names the owner in the warning.
 */
export function closeWhenCollected(owner: object, descriptor: Descriptor, what: string): void {
  descriptor.ownerLabel = what;
  const site = creationSite(closeWhenCollected);
  if (site !== undefined) creations.set(descriptor, site);
  registry.register(owner, descriptor, descriptor);
}

/** To be called when the descriptor is closed or detached, or gets another owner. */
export function forgetCollected(descriptor: Descriptor): void {
  registry.unregister(descriptor);
}
