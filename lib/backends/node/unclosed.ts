import { creationSite } from '../../debug';
import { warnOfUnclosed } from '../../waiting/warn';

/** How to close one of Node's sockets without the transport that owned it. */
interface Held {
  readonly what: string;
  readonly close: () => void;
  readonly site: string | undefined;
}

const registry = new FinalizationRegistry<Held>(({ what, close, site }) => {
  close();
  warnOfUnclosed(
    `${what} of the node backend was garbage-collected unclosed; its socket has been closed.`,
    site,
  );
});

/**
 * Calls `close`, with a process warning, if `owner` is collected before `forgetCollected`. `what`
 * names the owner in the warning. `close` must not refer to the owner.
 */
export function closeWhenCollected(owner: object, what: string, close: () => void): void {
  registry.register(owner, { what, close, site: creationSite(closeWhenCollected) }, owner);
}

/** To be called when the owner is closed. */
export function forgetCollected(owner: object): void {
  registry.unregister(owner);
}
