#pragma once

#include "mdbridge/rotations.hpp"

namespace mdbridge {

/// The largest degree of a rotation_grid().
int largest_grid_degree();

/// A quadrature over the rotations: Lebedev's points of the sphere, into which the z axis is
/// turned, times equispaced angles of the turn about z that comes first. With more than `degree`
/// such angles the weighted mean of all matrix elements of angular momenta 1 to `degree` is 0.
/// `degree`: from 1 to largest_grid_degree(). The number of angles is the smallest sufficient
/// multiple of `fold`.
///
/// With r -> R r, the turns about z come first, so that a set with a multiple of `fold` turns stays
/// the same if its elements are preceded by a turn of 1/`fold`; and for an even number also if they
/// are preceded by half a turn about x: Rz(a) Ry(b) Rz(c) Rx(pi) = Rz(a + pi) Ry(pi - b) Rz(-c),
/// and Lebedev's points have their opposites. So the averages are exactly covariant under the group
/// of a prism with `fold` sides.
RotationSet rotation_grid(int degree, int fold);

}  // namespace mdbridge
