import type { Contender } from './contenders/contender.ts';
import { dde } from './contenders/dde.ts';
import { haproxy } from './contenders/haproxy.ts';
import { luaJobs, stockLua } from './contenders/lua.ts';
import { straight } from './contenders/straight.ts';

export const contenders: readonly Contender[] = [straight, haproxy, stockLua, luaJobs, dde];

/** By name. @throws RangeError that names those there are */
export function contenderNamed(name: string): Contender {
  const found = contenders.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new RangeError(`there is no contender "${name}": ${contenders.map((one) => one.name).join(', ')}`);
}
