import { type Bounds, drawProcess, served } from './draw-process.ts'
import { drawOperations, drawTasks } from './draw-workload.ts'
import { drawRates, faultKinds } from './faults.ts'
import type { Moment, Operation, Plan, SimulationReduction } from './plan.ts'
import { Random } from './random.ts'

/** What a seed says, what was taken away excepted: the rest of it stays as it was. */
export function planOf(
  seed: number,
  {
    without = [],
    processes: mostProcesses = 100,
    tasks: mostTasks = 1_000,
  }: SimulationReduction = {},
): Plan {
  const random = new Random(`seed ${seed}`)
  const kinds = new Set(
    faultKinds.filter((kind) => random.fork(kind).chance(0.45) && !without.includes(kind)),
  )
  const settings = random.fork('settings')
  const leaseMs = settings.pick([2_400, 3_000, 6_000])
  const callTimeoutMs = settings.pick([400, 1_000, 2_500])
  const chaosMs = settings.between(8_000, 24_000)
  const queues = settings.chance(0.35) ? ['a', 'b'] : ['a']
  const count = settings.between(1, 4)
  const bounds: Bounds = { leaseMs, chaosMs, kinds, queues }
  const tasks = drawTasks(random.fork('tasks'), bounds)
  const operations = drawOperations(random.fork('operations'), tasks, bounds)
  const names = Array.from({ length: Math.min(count, mostProcesses) }, (_, at) => `p${at + 1}`)
  const processes = names.map((name) => drawProcess(random.fork(name), name, bounds))
  return {
    seed,
    kinds,
    rates: drawRates(random.fork('rates'), kinds),
    leaseMs,
    callTimeoutMs,
    maxRescues: settings.chance(0.8) ? 3 : 4,
    backoff: {
      ms: settings.pick([50, 400, 1_500]),
      how: settings.weighted({ plain: 6, late: 2, broken: 1, silent: 1 }),
    },
    queues,
    chaosMs,
    processes: served(processes, queues),
    operations: operations.flatMap((operation) => reduced(operation, mostTasks)),
    tasks: tasks.slice(0, mostTasks),
    rests: random.fork('rests').chance(0.3),
    sleeps: kinds.has('freeze') ? drawSleeps(random.fork('sleeps'), bounds) : [],
    storageSteps: kinds.has('storageClock') ? drawStorageSteps(random.fork('storage'), bounds) : [],
  }
}

/** An operation, as far as it is about the first tasks. */
function reduced(operation: Operation, mostTasks: number): readonly Operation[] {
  const { action } = operation
  if ('task' in action) return action.task.n <= mostTasks ? [operation] : []
  if (action.type !== 'push') return [operation]
  const tasks = action.tasks.filter(({ n }) => n <= mostTasks)
  return tasks.length === 0 ? [] : [{ ...operation, action: { ...action, tasks } }]
}

function drawSleeps(random: Random, { leaseMs, chaosMs }: Bounds): readonly Moment[] {
  if (!random.chance(0.3)) return []
  return [{ at: random.between(1_000, chaosMs), ms: leaseMs * random.between(1, 4) }]
}

function drawStorageSteps(random: Random, { leaseMs, chaosMs }: Bounds): readonly Moment[] {
  if (!random.chance(0.4)) return []
  const most = leaseMs * 4
  return [{ at: random.between(1_000, chaosMs), ms: random.between(-most, most) }]
}
