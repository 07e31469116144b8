import { func } from '../internal/validate.ts'
import type { EventListener } from '../service/worker-context.ts'

/** What {@link eventListener} needs of a worker's builder. */
export interface ListeningBuilder<out Args, out Result, out Builder> {
  readonly onEvent: (listener: EventListener<Args, Result>) => Builder
}

/**
 * The builder's `onEvent` as an extension: `.with(eventListener(listener))`, for packages that hand out a listener of
 * theirs. apalis's `EventListenerLayer`.
 */
export function eventListener<Args = unknown, Result = unknown>(
  listener: EventListener<Args, Result>,
): <Builder>(builder: ListeningBuilder<Args, Result, Builder>) => Builder {
  func('eventListener', listener)
  return (builder) => builder.onEvent(listener)
}
