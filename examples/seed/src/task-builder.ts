// A task made step by step, and the same as options of a push.
// #region build
import { MemoryStorage, type PushOptions, type Task, TaskBuilder } from '@apalis/core'

const task: Task<string, PushOptions> = new TaskBuilder('my-task')
  .id('task-123')
  .attempts(3)
  .timeout('30s')
  .runInMinutes(10)
  .build()
// #endregion

const queue = new MemoryStorage().queue<string>('tasks')
await queue.pushTask(task)

// #region push
await queue.push('my-task', { id: 'task-124', attempts: 3, timeout: '30s', delay: '10m' })
// #endregion

for (const id of ['task-123', 'task-124']) {
  const stored = await queue.fetchById(id)
  if (stored === undefined) throw new Error(`${id} was not stored`)
  const { attempt, context, runAt, status, timeoutMs } = stored.parts
  const minutes = (runAt.getTime() - context.createdAt.getTime()) / 60_000
  console.log(`${id} "${stored.args}" is ${status}`)
  console.log(`  due ${minutes} minutes after the push, for ${timeoutMs} ms, ${attempt.max} times`)
}

// Output:
// task-123 "my-task" is pending
//   due 10 minutes after the push, for 30000 ms, 3 times
// task-124 "my-task" is pending
//   due 10 minutes after the push, for 30000 ms, 3 times
