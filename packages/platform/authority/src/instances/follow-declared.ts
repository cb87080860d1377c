import type { FeedEvent } from '@quantum-ip/http'
import { DeclaredView } from '../operations/declared-view.ts'
import { watchDeclared } from '../operations/watch-declared.ts'
import { samplingEvent } from '../routes/sampling-routes.ts'
import { Sampling } from '../state/sampling.ts'
import type { AuthorityInstance } from './authority-instance.ts'

/** What an instance knows of incidents, windows and raised sampling, whoever leads. */
export interface FollowedDeclared extends Disposable {
  readonly view: DeclaredView
  /** How much is checked, for who begins to follow. */
  greeting(): FeedEvent
}

/**
 * Reads what is declared out of the shared store, and tells the members of this instance of it: they follow their instance, and the
 * leader does not know them. It declares nothing by itself: the leader does.
 */
export async function followDeclared(
  { store: { sql }, issuing: { clock } }: Pick<AuthorityInstance, 'store' | 'issuing'>,
  tell: (event: FeedEvent) => void,
): Promise<FollowedDeclared> {
  const view = new DeclaredView(sql, () => clock.now())
  const sampling = await Sampling.open({ sql, clock }, (state) => tell(samplingEvent(state)))
  const watch = await watchDeclared({ settle: async () => void (await view.look()) })
  return {
    view,
    greeting: () => samplingEvent(sampling.current),
    [Symbol.dispose]() {
      sampling[Symbol.dispose]()
      watch[Symbol.dispose]()
    },
  }
}
