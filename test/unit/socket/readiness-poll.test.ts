import './use-poll-reactor';
import { readinessSuite } from './readiness-suite';

readinessSuite('poll');
