import { readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { decimal } from '../../arguments/validate';

/** Where Linux lists all interfaces; node:os leaves out those without an address. */
const LINUX_INTERFACES = '/sys/class/net';

/** if_nametoindex(3), or the number itself. @returns 0 if there is no such interface */
export function scopeIdOf(zone: string): number {
  const number = decimal(zone);
  if (!Number.isNaN(number)) return number <= 0xffffffff ? number : 0;
  for (const info of networkInterfaces()[zone] ?? []) {
    // The scope of a global address is 0, whichever interface has it.
    if (info.family === 'IPv6' && info.scopeid !== 0) return info.scopeid;
  }
  return linuxIndex(zone);
}

/** if_indextoname(3). @returns undefined if there is no such interface */
export function interfaceOf(scopeId: number): string | undefined {
  for (const [name, infos = []] of Object.entries(networkInterfaces())) {
    if (infos.some((info) => info.family === 'IPv6' && info.scopeid === scopeId)) return name;
  }
  return linuxNames().find((name) => linuxIndex(name) === scopeId);
}

function linuxIndex(name: string): number {
  // The name is a part of a path, and comes from users.
  if (!/^[^/\0]+$/.test(name) || name === '.' || name === '..') return 0;
  try {
    return Number.parseInt(readFileSync(`${LINUX_INTERFACES}/${name}/ifindex`, 'latin1'), 10) || 0;
  } catch {
    // No such interface, or not Linux.
    return 0;
  }
}

function linuxNames(): string[] {
  try {
    return readdirSync(LINUX_INTERFACES);
  } catch {
    // Not Linux.
    return [];
  }
}
