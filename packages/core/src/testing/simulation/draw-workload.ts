import type { Bounds } from './draw-process.ts'
import type { Operation, TaskPlan } from './plan.ts'
import type { Random } from './random.ts'

/** The tasks that are pushed. */
export function drawTasks(random: Random, { queues, kinds }: Bounds): readonly TaskPlan[] {
  const count = random.between(4, 36)
  const keys = random.between(1, 4)
  const poisons = random.chance(0.7) ? 1 : 2
  return Array.from({ length: count }, (_, index): TaskPlan => {
    const draw = random.fork(index + 1)
    const unique = draw.chance(0.2) ? `k${draw.between(1, keys)}` : undefined
    return {
      n: index + 1,
      id: `t${index + 1}`,
      queue: draw.pick(queues),
      // Not the very first: it shall have neighbours.
      poison: kinds.has('poison') && index > 1 && index <= 1 + poisons,
      unreadable: draw.fork('args').chance(0.03),
      attempts: draw.between(1, 4),
      priority: draw.chance(0.3) ? draw.between(-2, 2) : 0,
      timeoutMs: draw.chance(0.35) ? draw.between(150, 1_500) : undefined,
      delayMs: draw.chance(0.3) ? draw.between(1, 5_000) : 0,
      unique,
      uniqueForMs: unique !== undefined && draw.chance(0.3) ? draw.between(500, 8_000) : undefined,
    }
  })
}

/** What clients do. */
export function drawOperations(
  random: Random,
  tasks: readonly TaskPlan[],
  { queues, chaosMs }: Bounds,
): readonly Operation[] {
  return [
    ...drawPushes(random.fork('push'), tasks, chaosMs),
    ...drawChanges(random.fork('changes'), tasks, chaosMs),
    ...drawPauses(random.fork('pauses'), queues, chaosMs),
  ]
}

function drawPushes(random: Random, tasks: readonly TaskPlan[], chaosMs: number): Operation[] {
  const pushes: Operation[] = []
  const burst = random.chance(0.4)
  for (let next = 0; next < tasks.length;) {
    const draw = random.fork(next)
    const size = draw.chance(0.3) ? draw.between(2, 8) : 1
    // Those of another queue come with the next push.
    const together = tasks.slice(next, next + alike(tasks, next, size))
    pushes.push({
      at: burst ? draw.between(0, 300) : draw.between(0, Math.floor(chaosMs * 0.7)),
      by: draw.between(0, 9),
      action: { type: 'push', tasks: together, onlyNew: draw.chance(0.1) },
    })
    next += together.length
  }
  return pushes
}

/** How many tasks from `from` on, at most `most`, are of one queue. */
function alike(tasks: readonly TaskPlan[], from: number, most: number): number {
  let count = 1
  while (count < most && tasks[from + count]?.queue === tasks[from]?.queue) count += 1
  return Math.min(count, tasks.length - from)
}

const CHANGES = {
  kill: 4,
  retry: 3,
  'retry more': 2,
  update: 2,
  reschedule: 2,
  remove: 2,
  'resume task': 2,
  wait: 3,
  rescue: 1,
  vacuum: 1,
} as const

function drawChanges(random: Random, tasks: readonly TaskPlan[], chaosMs: number): Operation[] {
  const count = random.between(0, 18)
  return Array.from({ length: count }, (_, index): Operation => {
    const draw = random.fork(index)
    return {
      at: draw.between(100, chaosMs),
      by: draw.between(0, 9),
      action: { type: draw.weighted(CHANGES), task: draw.pick(tasks) },
    }
  })
}

function drawPauses(random: Random, queues: readonly string[], chaosMs: number): Operation[] {
  const pauses: Operation[] = []
  for (let index = 0; index < 2; index += 1) {
    const draw = random.fork(index)
    if (!draw.chance(0.25)) continue
    const at = draw.between(100, chaosMs)
    const by = draw.between(0, 9)
    const after = draw.between(0, 9)
    const until = Math.min(chaosMs, at + draw.between(100, 12_000))
    if (index === 0) {
      const queue = draw.pick(queues)
      pauses.push({ at, by, action: { type: 'pause', queue } })
      pauses.push({ at: until, by: after, action: { type: 'resume', queue } })
    } else {
      const worker = draw.between(0, 1)
      pauses.push({ at, by, action: { type: 'pause worker', worker } })
      pauses.push({ at: until, by, action: { type: 'resume worker', worker } })
    }
  }
  return pauses
}
