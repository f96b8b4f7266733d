import { nativeBinding } from '../binding';

function read(name: string | symbol): number | undefined {
  const numbers = nativeBinding().constants;
  // Own names only: every object has a `constructor` and a `toString`, too.
  return typeof name === 'string' && Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

/**
 * The numbers of AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_REUSEPORT, TCP_NODELAY, MSG_PEEK, AI_PASSIVE,
 * NI_NUMERICHOST, SCM_RIGHTS, … on this platform. A name that the platform does not have is
 * undefined.
 *
 * The numbers come from the native binary. The first access loads it; importing this package does
 * not.
 * @throws Error `ERR_NATIVE_UNAVAILABLE`, at the first access, if no binary loads on this platform.
 */
export const constants: Readonly<Record<string, number>> = new Proxy<Record<string, number>>(
  Object.create(null) as Record<string, number>,
  {
    get: (_target, name) => read(name),
    has: (_target, name) => read(name) !== undefined,
    ownKeys: () => Object.keys(nativeBinding().constants),
    getOwnPropertyDescriptor: (_target, name) => {
      const value = read(name);
      return value === undefined
        ? undefined
        : { value, enumerable: true, configurable: true, writable: false };
    },
    set: () => false,
    defineProperty: () => false,
    deleteProperty: () => false,
    // The proxy cannot be frozen: a frozen proxy must have its properties on its target.
    preventExtensions: () => false,
    setPrototypeOf: () => false,
  },
);
