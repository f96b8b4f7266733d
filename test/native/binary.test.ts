import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nativeBindingPath } from '#lib/binding';
import { packageRoot } from '../support/child';

/**
 * The C library's functions that the addon may call. It names no library and no versions, so each
 * has to exist in glibc and in musl, under this name, and its oldest version in glibc has to be the
 * one that is meant. Before one is added, both are to be looked up: `pthread_cond_wait`, for one,
 * would be another type's, and `fcntl64` and `__memcpy_chk` are glibc's alone.
 */
const allowed = [
  'abort', 'accept4', 'bind', 'calloc', 'close', 'connect', 'epoll_create1', 'epoll_ctl', 'epoll_wait', 'fcntl', 'free', 'freeaddrinfo',
  'getaddrinfo', 'getnameinfo', 'getpeername', 'getsockname', 'getsockopt', 'inet_ntop', 'inet_pton', 'ioctl', 'listen', 'malloc', 'memchr',
  'memcpy', 'memset', 'poll', 'pthread_detach', 'realloc', 'recv', 'recvmmsg', 'recvmsg', 'send', 'sendmmsg', 'sendmsg', 'sendto',
  'setsockopt', 'shutdown', 'socket', 'socketpair', 'strcmp', 'strlen', 'strncmp', '__errno_location', '__stack_chk_fail',
]; // prettier-ignore

/**
 * What Node offers of libuv to addons, and Deno too, as far as a look-up is not made: everything
 * else of libuv is another matter.
 */
const allowedLibuv = [
  'uv_async_init', 'uv_async_send', 'uv_check_init', 'uv_check_start', 'uv_close', 'uv_cond_broadcast', 'uv_cond_destroy', 'uv_cond_init',
  'uv_cond_signal', 'uv_cond_timedwait', 'uv_mutex_destroy', 'uv_mutex_init', 'uv_mutex_lock', 'uv_mutex_unlock', 'uv_poll_init',
  'uv_poll_start', 'uv_poll_stop', 'uv_ref', 'uv_thread_create', 'uv_unref',
]; // prettier-ignore

const path = nativeBindingPath();
const has = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0;
// A sanitizer's build is of another kind (scripts/asan.mjs).
const inspectable =
  process.platform === 'linux' &&
  process.env['SOCKSCOPE_PREBUILD'] === undefined &&
  has('nm') &&
  has('readelf');

function output(tool: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(tool, [...args, path], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

describe.runIf(inspectable)('the binary', () => {
  it('needs no library: what it calls is found in the process', () => {
    expect(output('readelf', '--dynamic')).not.toContain('NEEDED');
  });

  it('calls what every C library has, Node-API, and little of libuv', () => {
    const names = output('nm', '--dynamic', '--undefined-only')
      .split('\n')
      // `w`: used if it is there (the C runtime's own hooks).
      .flatMap((line) => /^\s+U (\S+)$/.exec(line)?.[1] ?? []);
    expect(names.length).toBeGreaterThan(30);
    expect(
      names.filter(
        (name) =>
          !name.startsWith('napi_') && !allowed.includes(name) && !allowedLibuv.includes(name),
      ),
    ).toEqual([]);
    expect(names.filter((name) => name.includes('@'))).toEqual([]);
  });

  it('gives out its entry points alone', () => {
    const names = output('nm', '--dynamic', '--defined-only')
      .split('\n')
      .flatMap((line) => / [A-Z] (\S+)$/.exec(line)?.[1] ?? []);
    expect(names.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });

  it('stays loaded: a look-up’s thread may return into it after the last worker that had it', () => {
    expect(output('readelf', '--dynamic')).toContain('NODELETE');
  });
});

describe('the headers and build files', () => {
  it('are of one version of Node-API', () => {
    const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
      binary: { napi_versions: number[] };
    };
    const [version] = manifest.binary.napi_versions;
    for (const file of ['binding.gyp', 'CMakeLists.txt'])
      expect(readFileSync(join(packageRoot, file), 'utf8')).toContain(
        `NAPI_VERSION=${String(version)}`,
      );
  });
});
