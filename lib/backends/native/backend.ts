import { nativeBinding } from '../../binding';
import { NetworkingBackend } from '../../networking/networking-backend';
import type { SocketDriver } from '../../networking/socket-driver';
import type { BackendOptions } from '../../threads/threaded-backend';
import { bindTcp, bindUdp, bindUnixDatagram, bindUnixStream } from './bind';
import { connectTcp, connectUdp, openUnixDatagram, openUnixStream } from './connect';
import { getaddrinfo, getnameinfo, networkConstants } from './resolve';
import {
  roleOfFd,
  wrapConnectedDatagram,
  wrapDatagramListener,
  wrapListener,
  wrapStream,
} from './wrap';

const driver: SocketDriver = {
  // A getter: importing the package must not load the addon.
  get constants() {
    return networkConstants();
  },
  getaddrinfo,
  getnameinfo,
  connectTcp,
  connectUdp,
  openUnixStream,
  openUnixDatagram,
  bindTcp,
  bindUdp,
  bindUnixStream,
  bindUnixDatagram,
  wrapStream,
  wrapConnectedDatagram,
  wrapListener,
  wrapDatagramListener,
  roleOf: roleOfFd,
};

/** The backend on this package's addon: it has every socket that the platform has. */
export class NativeBackend extends NetworkingBackend {
  readonly name = 'native';

  /** @throws Error `ERR_NATIVE_UNAVAILABLE` if no binary loads on this platform. */
  constructor(options?: BackendOptions) {
    super(driver, options);
    nativeBinding();
  }
}
