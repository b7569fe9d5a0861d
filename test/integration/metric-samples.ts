import { waitFor } from '../support/patience.ts';
import type { TestServer } from '../support/server.ts';

/** The samples of a scrape: name and labels as they are written, and the value. */
export class MetricSamples {
  readonly #samples: ReadonlyMap<string, number>;

  constructor(samples: ReadonlyMap<string, number>) {
    this.#samples = samples;
  }

  /** The sum of all samples of a metric; of a histogram or summary, how often it was observed. Labels narrow it. */
  sum(name: string, labels = ''): number {
    const matching = [...this.#samples].filter(([sample]) => {
      const [own] = sample.split('{', 1);
      return (own === name || own === `${name}_count`) && sample.includes(labels);
    });
    return matching.reduce((sum, [, value]) => sum + value, 0);
  }
}

/** Reads `/metrics` of a server. */
export async function scrape(server: Pick<TestServer, 'url'>): Promise<MetricSamples> {
  const response = await fetch(`${server.url}/metrics`);
  const text = await response.text();
  const samples = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))] as const;
    });
  return new MetricSamples(new Map(samples));
}

/** Waits until this many loads run: the server has their first bytes, and their routes. */
export async function waitForLoads(server: Pick<TestServer, 'url'>, count: number): Promise<void> {
  await waitFor(
    `${count} running loads`,
    async () => (await scrape(server)).sum('arrowport_active_streams') === count,
  );
}
