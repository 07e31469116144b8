import type { FaultKind, Outage } from './faults.ts'
import type { ProcessPlan, WorkerPlan } from './plan.ts'
import type { Random } from './random.ts'

/** Within what a plan is drawn. */
export interface Bounds {
  readonly leaseMs: number
  readonly chaosMs: number
  readonly kinds: ReadonlySet<FaultKind>
  readonly queues: readonly string[]
}

/** A process, and what befalls it. */
export function drawProcess(
  random: Random,
  name: string,
  { leaseMs, chaosMs, kinds, queues }: Bounds,
): ProcessPlan {
  const times = (kind: FaultKind, most: number): readonly Random[] => {
    const draw = random.fork(kind)
    const count = kinds.has(kind) ? draw.between(0, most) : 0
    return Array.from({ length: count }, (_, index) => draw.fork(index))
  }
  const at = (draw: Random): number => draw.between(300, chaosMs)
  const alike = random.fork('alike')
  const stack = alike.chance(0.4) ? alike.between(0, 999) : undefined
  const workers = Array.from({ length: random.chance(0.35) ? 2 : 1 }, (_, index) => {
    const worker = drawWorker(random.fork(`worker ${index}`), queues)
    return stack === undefined ? worker : { ...worker, stack }
  })
  return {
    name,
    fused: random.fork('fused').chance(0.7),
    skewMs: random.chance(0.3) ? random.between(-3_600_000, 3_600_000) : 0,
    workers,
    outages: times('outage', 2).map((draw): Outage => {
      const from = at(draw)
      const to = from + Math.floor(leaseMs * (0.2 + draw.next() * 2))
      return { from, to: Math.min(to, chaosMs), how: draw.pick(['refused', 'hung', 'lost']) }
    }),
    freezes: times('freeze', 2).map((draw) => ({
      at: at(draw),
      ms: Math.floor(leaseMs * (0.1 + draw.next() * 2.4)),
    })),
    deaths: times('die', 2).map(at),
    steps: times('clocks', 2).map((draw) => ({
      at: at(draw),
      ms: draw.between(-3_600_000, 3_600_000),
    })),
    exits: times('stop', 1).map(at),
    stops: times('stop', 4).map((draw) => ({
      at: at(draw.fork('worker')),
      worker: draw.between(0, 1),
    })),
    deaf: times('deaf', 3).map(at),
  }
}

function drawWorker(random: Random, queues: readonly string[]): WorkerPlan {
  return {
    name: random.pick(['ann', 'bob', 'cid']),
    queue: random.pick(queues),
    stack: random.between(0, 999),
    monitored: random.chance(0.3),
    claimBatch: random.pick([1, 4, 1_000]),
    acknowledgementBuffer: random.pick([1, 5, 10_000]),
    shutdownMs: random.pick([undefined, 0, 300, 2_000]),
  }
}

/** Every queue has a worker somewhere: the first process gets those that are missing. */
export function served(
  processes: readonly ProcessPlan[],
  queues: readonly string[],
): readonly ProcessPlan[] {
  const missing = queues.filter(
    (queue) => !processes.some(({ workers }) => workers.some((worker) => worker.queue === queue)),
  )
  return processes.map((process, index) => {
    const [model] = process.workers
    if (index > 0 || model === undefined) return process
    const added = missing.map((queue): WorkerPlan => ({ ...model, queue, monitored: false }))
    return { ...process, workers: [...process.workers, ...added] }
  })
}
