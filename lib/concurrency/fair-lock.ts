import { Lock } from './lock';

/**
 * The lock of `createFairLock`: strictly first come, first served. `Lock` happens to be that too;
 * this one promises it.
 */
export class FairLock extends Lock {}
