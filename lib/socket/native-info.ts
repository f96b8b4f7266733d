import { nativeBinding, nativeBindingPath } from '../binding';

/** Whether the addon works on this platform, and which binary was loaded. */
export type NativeInfo =
  | {
      readonly available: true;
      /** The file that the addon was loaded from. */
      readonly path: string;
      /**
       * Where events come from: one edge-triggered epoll set (Linux), or a libuv poll handle per
       * socket.
       */
      readonly reactor: 'epoll' | 'poll';
    }
  | {
      readonly available: false;
      /** The binaries that were tried, and why none was loaded. */
      readonly reason: string;
    };

/**
 * Loads the addon if it is not loaded yet, and describes it. Does not throw on a platform without a
 * binary.
 */
export function nativeInfo(): NativeInfo {
  try {
    return { available: true, path: nativeBindingPath(), reactor: nativeBinding().reactorKind() };
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_NATIVE_UNAVAILABLE') throw error;
    return { available: false, reason: (error as Error).message };
  }
}
