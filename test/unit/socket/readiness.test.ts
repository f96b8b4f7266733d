import { readinessSuite } from './readiness-suite';

readinessSuite('epoll');
