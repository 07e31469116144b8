import type { StoreSettled, StoreSettlement, WorkerRef } from '../../storage/task-store.ts'
import { giveBack, type StoredTask, type StoredTasksDeps } from './stored-task.ts'

type Deps = Pick<StoredTasksDeps, 'history' | 'leases' | 'runOf' | 'storageNow'>

/** A storage has answered the settle of one claim: only its owner ends it, once, and as its run has gone. */
export function checkSettlement(
  deps: Deps,
  task: StoredTask | undefined,
  worker: WorkerRef,
  settlement: StoreSettlement,
  answer: StoreSettled | undefined,
): void {
  const { history, leases } = deps
  const { id, epoch, outcome } = settlement
  const claim = `${id}@${epoch}`
  const name = leases.nameOf(worker.id)
  const owns = task?.status === 'running' && task.epoch === epoch && task.holder === worker.id
  const shown = task?.status === 'removed' ? undefined : task?.settled
  const repeats = shown?.epoch === epoch && shown.by === worker.id && shown.as === outcome.type
  if (answer !== 'applied') {
    const expected = repeats ? 'repeated' : 'stale'
    if (owns) history.fail('fence', `${name} holds ${claim}, and its settle is ${answer}`)
    else if (answer !== expected) {
      history.fail('fence', `${name} settles ${claim}: ${answer} instead of ${expected}`)
    }
    return
  }
  if (task === undefined || !owns) {
    const holder = task?.holder === undefined ? task?.status : `of ${leases.nameOf(task.holder)}`
    history.fail('fence', `${name} ended ${claim}, which is ${holder} under epoch ${task?.epoch}`)
    return
  }
  checkOutcome(deps, task, settlement)
  apply(task, worker, settlement, deps.storageNow())
  history.progress()
}

/** Whether a claim may end so. */
function checkOutcome(
  { history, runOf }: Deps,
  { attempt, attempts }: StoredTask,
  { id, epoch, outcome }: StoreSettlement,
): void {
  const claim = `${id}@${epoch}`
  const run = runOf(id, epoch)
  if (outcome.type === 'done' && run?.returned !== true) {
    history.fail('nothing lost', `${claim} counts as done, and no run of it has returned`)
  }
  if (outcome.type === 'failed' && attempt >= attempts) {
    history.fail('budgets', `${claim} is to run again after ${attempt} of ${attempts} attempts`)
  }
  // A settlement that cannot be stored is replaced by a kill that says so.
  const replaced = outcome.type === 'killed' && outcome.error.code === 'ERR_ENCODE'
  const counted = (outcome.type === 'failed' || outcome.type === 'killed') && !replaced
  if (counted && run?.interrupted === true) {
    history.fail('budgets', `${claim} was interrupted by a stop, and that counts as an attempt`)
  }
}

function apply(
  task: StoredTask,
  worker: WorkerRef,
  { epoch, outcome }: StoreSettlement,
  now: number,
): void {
  if (outcome.type === 'failed') task.dueAt = now + outcome.retryInMs
  if (outcome.type === 'released') {
    giveBack(task)
    if (outcome.dueInMs > 0) {
      task.releases += 1
      task.dueAt = now + outcome.dueInMs
    }
  } else {
    task.status = outcome.type
    task.holder = undefined
    task.releases = 0
  }
  task.settled = { epoch, by: worker.id, as: outcome.type }
}
