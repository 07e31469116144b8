import type { Handler, Service, TaskRequest } from './service.ts'

/** `handler` itself, with its types inferred or checked where it is written. apalis's `task_fn`. */
export function taskFn<Args, Data = {}, Result = unknown, Context = unknown>(
  handler: Handler<Args, Data, Result, Context>,
): Handler<Args, Data, Result, Context> {
  return handler
}

/** @internal A handler as the service that a stack ends in. */
export function handlerService<Args, Data, Result, Context>(
  handler: Handler<Args, Data, Result, Context>,
): Service<TaskRequest<Args, Data, Context>, Result> {
  return { call: (request) => handler(request.task.args, request) }
}
