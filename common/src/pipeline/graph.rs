//! The order of steps: which come first, which may start, and where the dependencies run in a circle.

use std::collections::BTreeSet;

use super::On;

/// A circle of dependencies: each waits for the next, the last for the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

/// An order in which every node stands after what it depends on, nodes as early as their index allows.
///
/// `depends_on[i]` holds the indices that `i` waits for, each below `depends_on.len()`.
pub fn topological_order(depends_on: &[Vec<usize>]) -> Result<Vec<usize>, Cycle> {
    let mut placed = vec![false; depends_on.len()];
    let mut order = Vec::with_capacity(depends_on.len());
    while order.len() < depends_on.len() {
        let free = (0..depends_on.len())
            .find(|&node| !placed[node] && depends_on[node].iter().all(|&before| placed[before]));
        let Some(node) = free else {
            return Err(cycle(depends_on, &placed));
        };
        placed[node] = true;
        order.push(node);
    }
    Ok(order)
}

/// Follows unplaced dependencies until one repeats; every unplaced node has one.
fn cycle(depends_on: &[Vec<usize>], placed: &[bool]) -> Cycle {
    let mut path: Vec<usize> = Vec::new();
    let mut next = (0..depends_on.len()).find(|&node| !placed[node]);
    while let Some(node) = next {
        if let Some(start) = path.iter().position(|&seen| seen == node) {
            return Cycle(path.split_off(start));
        }
        path.push(node);
        next = depends_on[node].iter().copied().find(|&before| !placed[before]);
    }
    Cycle(path)
}

/// Whether `node` waits for `before`, directly or through others.
pub fn waits_for(depends_on: &[Vec<usize>], node: usize, before: usize) -> bool {
    let mut seen = vec![false; depends_on.len()];
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        for &next in &depends_on[node] {
            if next == before {
                return true;
            }
            if !std::mem::replace(&mut seen[next], true) {
                open.push(next);
            }
        }
    }
    false
}

/// The nodes that no course of events can start. `may_fail[i]` says whether the work of `i` can fail the run.
///
/// A node that runs on failure needs something before it that can fail; one that runs on success needs all
/// before it to end well, which a handler of a failure among them may contradict.
pub fn unreachable(nodes: &[Node], may_fail: &[bool], order: &[usize]) -> Vec<usize> {
    let mut found = Vec::new();
    // Whether the node, or one it waits for, can fail or be left out because of a failure.
    let mut may_break = vec![false; nodes.len()];
    // What must have ended well where the node runs.
    let mut needs: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); nodes.len()];
    for &at in order {
        let Node { depends_on, on } = &nodes[at];
        let broken_before = depends_on.iter().any(|&before| may_break[before]);
        if *on == On::Success {
            for &before in depends_on {
                let all: Vec<usize> = needs[before].iter().copied().chain([before]).collect();
                needs[at].extend(all);
            }
        }
        let contradicts = |handler: usize| {
            let Node { depends_on, on } = &nodes[handler];
            *on == On::Failure && depends_on.iter().all(|before| needs[at].contains(before))
        };
        let starts = match on {
            On::Success => !needs[at].iter().any(|&before| contradicts(before)),
            On::Failure => broken_before,
            On::Always => true,
        };
        if !starts {
            found.push(at);
        }
        may_break[at] = may_fail[at] || (*on == On::Success && broken_before);
    }
    found
}

/// One node of a graph: what it waits for, and whether it runs then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The indices it waits for.
    pub depends_on: Vec<usize>,
    /// How they must have ended.
    pub on: On,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It did what it says.
    Well,
    /// It failed, and with it the run.
    Failed,
}

/// Why a node never started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// Because of a failure before it.
    Failure,
    /// It is there for a failure that did not come, or waits for one that is.
    NotNeeded,
    /// The run was stopped before its turn.
    Stopped,
}

/// How far each node of a graph has come, and what may start now.
///
/// Once a node has failed nothing of the main work starts any more: the nodes that run on success, but those
/// that wait for a node that runs on failure or always.
#[derive(Debug, Clone)]
pub struct Progress {
    nodes: Vec<Node>,
    states: Vec<NodeState>,
    /// Nodes that run on failure or always, and what waits for them.
    aftermath: Vec<bool>,
    /// Whether a node has failed.
    failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeState {
    Waiting,
    Started,
    Succeeded,
    Failed,
    Skipped(Skipped),
}

impl Progress {
    /// Nothing has started. The nodes' dependencies have no circle.
    pub fn new(nodes: Vec<Node>) -> Self {
        let states = vec![NodeState::Waiting; nodes.len()];
        let depends_on: Vec<Vec<usize>> =
            nodes.iter().map(|node| node.depends_on.clone()).collect();
        let mut aftermath = vec![false; nodes.len()];
        for at in topological_order(&depends_on).unwrap_or_default() {
            let Node { depends_on, on } = &nodes[at];
            aftermath[at] =
                *on != On::Success || depends_on.iter().any(|&before| aftermath[before]);
        }
        let mut progress = Self { nodes, states, aftermath, failed: false };
        progress.skip();
        progress
    }

    /// The nodes that may start. In index order.
    pub fn ready(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|&at| self.states[at] == NodeState::Waiting && self.fate(at) == Some(Ok(())))
            .collect()
    }

    /// The node has started.
    pub fn start(&mut self, node: usize) {
        self.states[node] = NodeState::Started;
    }

    /// The node has ended; what can never start any more is skipped.
    pub fn end(&mut self, node: usize, end: End) {
        self.states[node] = match end {
            End::Well => NodeState::Succeeded,
            End::Failed => NodeState::Failed,
        };
        self.failed |= end == End::Failed;
        self.skip();
    }

    /// Skips what can never start any more; each skip may decide others, wherever they stand.
    fn skip(&mut self) {
        while let Some((at, why)) = (0..self.nodes.len()).find_map(|at| match self.fate(at) {
            Some(Err(why)) if self.states[at] == NodeState::Waiting => Some((at, why)),
            _ => None,
        }) {
            self.states[at] = NodeState::Skipped(why);
        }
    }

    /// Whether a node starts; `None` while something before it has not ended, so that what is skipped has
    /// nothing under way before it either.
    fn fate(&self, at: usize) -> Option<Result<(), Skipped>> {
        let Node { depends_on, on } = &self.nodes[at];
        let (mut broken, mut unneeded) = (false, false);
        for &before in depends_on {
            match self.states[before] {
                NodeState::Waiting | NodeState::Started => return None,
                NodeState::Succeeded => {}
                NodeState::Failed | NodeState::Skipped(Skipped::Failure | Skipped::Stopped) => {
                    broken = true;
                }
                NodeState::Skipped(Skipped::NotNeeded) => unneeded = true,
            }
        }
        Some(match on {
            On::Failure if !broken => Err(Skipped::NotNeeded),
            On::Success if broken || (self.failed && !self.aftermath[at]) => Err(Skipped::Failure),
            On::Success if unneeded => Err(Skipped::NotNeeded),
            On::Always | On::Failure | On::Success => Ok(()),
        })
    }

    /// The nodes that have not started, and why. In index order.
    pub fn unstarted(&self) -> Vec<(usize, Skipped)> {
        let why = |state: &NodeState| match state {
            NodeState::Waiting => Some(Skipped::Stopped),
            NodeState::Skipped(why) => Some(*why),
            NodeState::Started | NodeState::Succeeded | NodeState::Failed => None,
        };
        self.states.iter().enumerate().filter_map(|(at, s)| Some((at, why(s)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_circle_is_named_in_full_and_nothing_beside_it() {
        let depends_on = vec![vec![], vec![3], vec![1], vec![2, 0], vec![1]];
        assert_eq!(topological_order(&depends_on), Err(Cycle(vec![1, 3, 2])));
        assert_eq!(topological_order(&[vec![0]]), Err(Cycle(vec![0])));
    }

    fn nodes(nodes: Graph<'_>) -> Vec<Node> {
        nodes.iter().map(|(before, on)| Node { depends_on: before.to_vec(), on: *on }).collect()
    }

    #[test]
    fn a_failed_step_keeps_the_main_work_from_starting() {
        use On::Success;
        let graph = nodes(&[(&[], Success), (&[], Success), (&[0], Success), (&[2], Success)]);
        let mut progress = Progress::new(graph);
        assert_eq!(progress.ready(), [0, 1]);
        progress.start(0);
        progress.start(1);
        assert!(progress.ready().is_empty());
        progress.end(1, End::Well);
        progress.end(0, End::Failed);
        assert!(progress.ready().is_empty());
        assert_eq!(progress.unstarted(), [(2, Skipped::Failure), (3, Skipped::Failure)]);
    }

    #[test]
    fn what_runs_on_failure_or_always_waits_for_the_end_of_all_before_it() {
        use On::{Always, Failure, Success};
        // 0 work, 1 more work, 2 repairs after 0, 3 reports after the repair, 4 tidies up after 0 and 1.
        let graph = nodes(&[
            (&[], Success),
            (&[], Success),
            (&[0], Failure),
            (&[2], Success),
            (&[0, 1], Always),
        ]);
        let mut well = Progress::new(graph.clone());
        for node in [0, 1] {
            well.start(node);
            well.end(node, End::Well);
        }
        assert_eq!(well.ready(), [4]);
        assert_eq!(well.unstarted()[..2], [(2, Skipped::NotNeeded), (3, Skipped::NotNeeded)]);

        // What follows a skipped node waits for the work before that one too.
        let mut slowly = Progress::new(nodes(&[
            (&[], Success),
            (&[], Success),
            (&[0], Success),
            (&[2], Always),
        ]));
        slowly.start(0);
        slowly.start(1);
        slowly.end(1, End::Failed);
        assert!(slowly.ready().is_empty());
        slowly.end(0, End::Well);
        assert_eq!(slowly.ready(), [3]);

        let mut badly = Progress::new(graph);
        badly.start(0);
        badly.end(0, End::Failed);
        assert_eq!(badly.ready(), [2, 4], "the other work never starts, so nothing waits for it");
        badly.start(2);
        badly.end(2, End::Well);
        assert_eq!(badly.ready(), [3, 4]);
        assert_eq!(badly.unstarted()[0], (1, Skipped::Failure));
    }

    type Graph<'a> = &'a [(&'a [usize], On)];

    #[test]
    fn what_can_never_start_is_found() {
        use On::{Always, Failure, Success};
        let work = (&[][..], Success);
        let cases: [(Graph<'_>, &[usize]); 8] = [
            (&[work, (&[0], Failure), (&[1], Success)], &[]),
            (&[work, (&[0], Always), (&[0, 1], Success)], &[]),
            (&[(&[], Failure)], &[0]),
            (&[(&[], Always), (&[0], Failure)], &[]),
            // It waits for the work to end well and for the repair of its failure.
            (&[work, (&[0], Failure), (&[0, 1], Success)], &[2]),
            (&[work, (&[0], Success), (&[0], Failure), (&[1, 2], Success)], &[3]),
            // The repair of one of two may follow the other's good end.
            (&[work, work, (&[0, 1], Failure), (&[0, 2], Success)], &[]),
            (&[work, work, (&[0, 1], Failure), (&[0, 1, 2], Success)], &[3]),
        ];
        for (graph, expected) in cases {
            let order: Vec<usize> = (0..graph.len()).collect();
            let may_fail = vec![true; graph.len()];
            assert_eq!(unreachable(&nodes(graph), &may_fail, &order), expected, "{graph:?}");
        }
        // Nobody repairs after what cannot fail.
        let graph = nodes(&[(&[], Success), (&[0], Failure)]);
        assert_eq!(unreachable(&graph, &[false, true], &[0, 1]), [1]);
    }

    proptest! {
        #[test]
        fn every_dependency_precedes_its_dependents(
            depends_on in proptest::collection::vec(proptest::collection::vec(0_usize..12, 0..3), 12)
        ) {
            match topological_order(&depends_on) {
                Ok(order) => {
                    let mut sorted = order.clone();
                    sorted.sort_unstable();
                    prop_assert_eq!(sorted, (0..12).collect::<Vec<_>>());
                    let at = |node| order.iter().position(|&n| n == node);
                    for (node, befores) in depends_on.iter().enumerate() {
                        for &before in befores {
                            prop_assert!(at(before) < at(node));
                        }
                    }
                }
                Err(Cycle(nodes)) => {
                    prop_assert!(!nodes.is_empty());
                    for (i, &node) in nodes.iter().enumerate() {
                        let next = nodes[(i + 1) % nodes.len()];
                        prop_assert!(depends_on[node].contains(&next));
                        prop_assert!(waits_for(&depends_on, node, node));
                    }
                }
            }
        }

        /// Whatever fails, every node comes to an end, none starts before what it waits for has ended, and what
        /// is called unreachable never starts.
        #[test]
        fn every_course_of_events_comes_to_an_end(
            graph in proptest::collection::vec(
                (proptest::collection::vec(0_usize..10, 0..3), 0..3_u8), 1..10),
            fails in proptest::collection::vec(any::<bool>(), 10),
        ) {
            let nodes: Vec<Node> = graph.into_iter().enumerate().map(|(at, (before, on))| Node {
                depends_on: before.into_iter().filter(|&before| before < at).collect(),
                on: [On::Success, On::Failure, On::Always][usize::from(on)],
            }).collect();
            let order: Vec<usize> = (0..nodes.len()).collect();
            let never = unreachable(&nodes, &vec![true; nodes.len()], &order);
            let mut progress = Progress::new(nodes.clone());
            let depends_on: Vec<Vec<usize>> =
                nodes.iter().map(|node| node.depends_on.clone()).collect();
            let mut running = Vec::new();
            loop {
                // Two at work: one starts where one may, otherwise the oldest ends.
                let next = progress.ready().last().copied().filter(|_| running.len() < 2);
                if let Some(node) = next {
                    prop_assert!(!never.contains(&node));
                    let under_way = |&at: &usize| waits_for(&depends_on, node, at);
                    prop_assert!(!running.iter().any(under_way));
                    progress.start(node);
                    running.push(node);
                } else if !running.is_empty() {
                    let node = running.remove(0);
                    progress.end(node, if fails[node] { End::Failed } else { End::Well });
                } else {
                    break;
                }
            }
            prop_assert!(progress.unstarted().iter().all(|(_, why)| *why != Skipped::Stopped));
        }
    }
}
