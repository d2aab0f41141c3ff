//! The order of steps: which come first, which may start, and where the dependencies run in a circle.

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

/// How far each node of a graph has come, and what may start now.
#[derive(Debug, Clone)]
pub struct Progress {
    depends_on: Vec<Vec<usize>>,
    states: Vec<NodeState>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NodeState {
    Waiting,
    Started,
    Succeeded,
    Failed,
}

impl Progress {
    /// Nothing has started.
    pub fn new(depends_on: Vec<Vec<usize>>) -> Self {
        let states = vec![NodeState::Waiting; depends_on.len()];
        Self { depends_on, states }
    }

    /// The nodes that may start: all they wait for has succeeded. In index order.
    pub fn ready(&self) -> Vec<usize> {
        let succeeded = |&node: &usize| self.states[node] == NodeState::Succeeded;
        (0..self.states.len())
            .filter(|&node| {
                self.states[node] == NodeState::Waiting
                    && self.depends_on[node].iter().all(succeeded)
            })
            .collect()
    }

    /// The node has started.
    pub fn start(&mut self, node: usize) {
        self.states[node] = NodeState::Started;
    }

    /// The node has ended.
    pub fn end(&mut self, node: usize, well: bool) {
        self.states[node] = if well { NodeState::Succeeded } else { NodeState::Failed };
    }

    /// The nodes that have not started. In index order.
    pub fn waiting(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|&node| self.states[node] == NodeState::Waiting).collect()
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

    #[test]
    fn a_failed_step_keeps_its_dependents_from_starting() {
        let mut progress = Progress::new(vec![vec![], vec![], vec![0], vec![2]]);
        assert_eq!(progress.ready(), [0, 1]);
        progress.start(0);
        progress.start(1);
        assert!(progress.ready().is_empty());
        progress.end(1, true);
        progress.end(0, false);
        assert!(progress.ready().is_empty());
        assert_eq!(progress.waiting(), [2, 3]);
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
    }
}
