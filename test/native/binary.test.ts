import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nativeBindingPath } from '#lib/binding';
import { packageRoot } from '../support/child';

/**
 * The functions of the C library that the addon may call. The addon names no library and no
 * versions. So each function has to exist under this name in glibc and in musl, and its oldest
 * version in glibc has to be the intended one. Look both up before you add a function: the oldest
 * `pthread_cond_wait` takes another type, and only glibc has `fcntl64` and `__memcpy_chk`.
 */
const allowed = [
  'abort', 'accept4', 'bind', 'calloc', 'close', 'connect', 'epoll_create1', 'epoll_ctl', 'epoll_wait', 'fcntl', 'free', 'freeaddrinfo',
  'getaddrinfo', 'getnameinfo', 'getpeername', 'getsockname', 'getsockopt', 'inet_ntop', 'inet_pton', 'ioctl', 'listen', 'malloc', 'memchr',
  'memcpy', 'memset', 'poll', 'pthread_detach', 'realloc', 'recv', 'recvmmsg', 'recvmsg', 'send', 'sendmmsg', 'sendmsg', 'sendto',
  'setsockopt', 'shutdown', 'socket', 'socketpair', 'strcmp', 'strlen', 'strncmp', 'syscall', '__errno_location', '__stack_chk_fail',
]; // prettier-ignore

/**
 * The functions of libuv that the addon may call. Node offers all of them to addons. Deno has those
 * that are called before the first look-up.
 */
const allowedLibuv = [
  'uv_async_init', 'uv_async_send', 'uv_check_init', 'uv_check_start', 'uv_close', 'uv_cond_broadcast', 'uv_cond_destroy', 'uv_cond_init',
  'uv_cond_signal', 'uv_cond_timedwait', 'uv_mutex_destroy', 'uv_mutex_init', 'uv_mutex_lock', 'uv_mutex_unlock', 'uv_poll_init',
  'uv_poll_start', 'uv_poll_stop', 'uv_ref', 'uv_thread_create', 'uv_unref',
]; // prettier-ignore

const path = nativeBindingPath();
const has = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0;
// A build with sanitizers (scripts/asan.mjs) names libraries.
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
  it('names no library: the process that loads it has all symbols', () => {
    expect(output('readelf', '--dynamic')).not.toContain('NEEDED');
  });

  it('calls only functions of every C library, Node-API, and a few of libuv', () => {
    const names = output('nm', '--dynamic', '--undefined-only')
      .split('\n')
      // `w` marks symbols that may be missing: the hooks of the C runtime.
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

  it('exports only its entry points', () => {
    const names = output('nm', '--dynamic', '--defined-only')
      .split('\n')
      .flatMap((line) => / [A-Z] (\S+)$/.exec(line)?.[1] ?? []);
    expect(names.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });

  it('stays loaded, because a resolver thread may outlive the last worker that loaded it', () => {
    expect(output('readelf', '--dynamic')).toContain('NODELETE');
  });
});

describe('the build files', () => {
  it('name the same version of Node-API, and the same switches of node-addon-api', () => {
    const manifest = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
      binary: { napi_versions: number[] };
    };
    const [version] = manifest.binary.napi_versions;
    for (const file of ['binding.gyp', 'CMakeLists.txt']) {
      const text = readFileSync(join(packageRoot, file), 'utf8');
      expect(text).toContain(`NAPI_VERSION=${String(version)}`);
      expect(text).toContain('NAPI_DISABLE_CPP_EXCEPTIONS');
      expect(text).toContain('NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS');
    }
  });
});
