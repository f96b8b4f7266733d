/** Tools for the tests of programs that use this library. */
export { VirtualClock } from './virtual-clock';
export type { VirtualClockOptions } from './virtual-clock';
