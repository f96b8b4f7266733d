import type { Descriptor } from './descriptor';

/**
 * `SOCKSCOPE_DEBUG=1` records where each socket was created: a stack trace per socket, so not for
 * production.
 */
const recordCreation =
  (process.env['SOCKSCOPE_DEBUG'] ?? '') !== '' && process.env['SOCKSCOPE_DEBUG'] !== '0';
const creations = new WeakMap<Descriptor, string>();

// The descriptor alone is what is held for each: a connection that waits is to be small.
const registry = new FinalizationRegistry<Descriptor>((descriptor) => {
  const { fd } = descriptor;
  if (fd < 0) return;
  descriptor.close();
  const detail = creations.get(descriptor) ?? 'Set SOCKSCOPE_DEBUG=1 to see where it was created.';
  process.emitWarning(
    `${descriptor.owner} (fd ${String(fd)}) was garbage-collected unclosed; its fd has been closed. ${detail}`,
    {
      type: 'ResourceWarning',
      code: 'SOCKSCOPE_UNCLOSED',
    },
  );
});

/** Closes the descriptor, with a process warning, if `owner` is collected while it is open. */
export function closeWhenCollected(owner: object, descriptor: Descriptor, what: string): void {
  descriptor.owner = what;
  if (recordCreation) creations.set(descriptor, creationSite());
  registry.register(owner, descriptor, descriptor);
}

/** To be called when the descriptor is closed or given away. */
export function forgetCollected(descriptor: Descriptor): void {
  registry.unregister(descriptor);
}

function creationSite(): string {
  const site: { stack?: unknown } = {};
  Error.captureStackTrace(site, closeWhenCollected);
  // A program may have replaced how stacks are made into text (Error.prepareStackTrace), by
  // anything.
  const [, ...calls] = String(site.stack).split('\n');
  return `It was created:\n${calls.join('\n')}`;
}
