import { nativeBinding } from '../binding';

function read(name: string | symbol): number | undefined {
  const numbers = nativeBinding().constants;
  // Its own names only: an object has a `constructor` and a `toString` too.
  return typeof name === 'string' && Object.hasOwn(numbers, name) ? numbers[name] : undefined;
}

/**
 * AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_REUSEPORT, TCP_NODELAY, MSG_PEEK, AI_PASSIVE, NI_NUMERICHOST,
 * SCM_RIGHTS, … as this platform numbers them. A name that the platform does not know is undefined.
 *
 * The numbers come from the native binary, which is loaded by the first look: importing this
 * package loads nothing.
 * @throws Error `ERR_NATIVE_UNAVAILABLE`, at the first look, if no binary loads on this platform.
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
    // It cannot be frozen (and need not be): a frozen proxy must have its properties on its target.
    preventExtensions: () => false,
    setPrototypeOf: () => false,
  },
);
