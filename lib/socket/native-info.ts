import { nativeBinding, nativeBindingPath } from '../binding';

/** Whether the addon works here, and which binary of it. */
export type NativeInfo =
  | {
      readonly available: true;
      /** The file it was loaded from. */
      readonly path: string;
      /**
       * How readiness is learned: one edge-triggered epoll set (Linux), or a libuv poll handle per
       * socket.
       */
      readonly reactor: 'epoll' | 'poll';
    }
  | {
      readonly available: false;
      /** Which binaries were looked for, and why none was loaded. */
      readonly reason: string;
    };

/**
 * Loads the addon if it is not loaded yet, and tells of it. Never throws for a platform that has
 * none.
 */
export function nativeInfo(): NativeInfo {
  try {
    return { available: true, path: nativeBindingPath(), reactor: nativeBinding().reactorKind() };
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_NATIVE_UNAVAILABLE') throw error;
    return { available: false, reason: (error as Error).message };
  }
}
