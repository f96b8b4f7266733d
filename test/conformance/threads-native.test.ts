import { describe, it } from 'vitest';
import { testExecutor } from '#lib/testing/conformance/executor';
import { testThreads } from '#lib/testing/conformance/threads';
import { testThreadsPortal } from '#lib/testing/conformance/threads-portal';
import { expectNoLeaks } from '../support/fds';
import { native } from './subjects';

expectNoLeaks();
const runner = { describe, it };
testThreads(runner, native);
testThreadsPortal(runner, native);
testExecutor(runner, native);
