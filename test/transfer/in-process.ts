import { silentLogger } from '../../src/log.ts';
import { type Service, type ServiceOptions, startService } from '../../src/service.ts';
import { type Farm, type FarmOptions, startFarm } from '../support/farm.ts';
import { type FaultProxy, startProxy } from '../support/proxy.ts';
import { until } from '../support/wait.ts';

export interface InProcess extends AsyncDisposable {
  readonly farm: Farm;
  readonly service: Service;
  /** Before this backend, for the front and the service alike. */
  proxy(backend: string): FaultProxy;
}

/**
 * A farm with the service in the test's own process, so that a test sees its pool and ledger and gives its chance; each backend is
 * reached through a proxy of its own. `before`: what is done while there is no service yet.
 */
export async function startInProcess(
  options: FarmOptions & {
    readonly random?: () => number;
    readonly log?: ServiceOptions['log'];
    readonly before?: (farm: Farm) => Promise<void>;
  } = {},
): Promise<InProcess> {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  const proxies = new Map<string, FaultProxy>();
  try {
    const farm = await startFarm({
      settle: '200 ms',
      ...options,
      startService: false,
      via: async (name, url) => {
        const proxy = await startProxy({ target: Number(new URL(url).port) });
        undo.push(() => proxy.close());
        proxies.set(name, proxy);
        return proxy.url;
      },
    });
    undo.push(() => farm.stop());
    await options.before?.(farm);
    const service = await startService({
      topology: farm.topology,
      home: farm.home,
      adminToken: farm.service.token,
      hookToken: 'hook-token-of-this-test-farm',
      version: 'test',
      log: options.log ?? silentLogger(),
      onDurabilityLost: (error) => {
        throw error;
      },
      ...(options.random === undefined ? {} : { random: options.random }),
    });
    undo.push(() => service.stop(0));
    await until(() => service.pool.statuses().every((backend) => backend.health === 'up'), {
      what: 'the backends to be up',
    });
    return {
      farm,
      service,
      proxy(backend) {
        const proxy = proxies.get(backend);
        if (proxy === undefined) throw new Error(`there is no ${backend}`);
        return proxy;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
