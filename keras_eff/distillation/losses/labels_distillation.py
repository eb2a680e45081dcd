import keras
from keras import ops


class LabelsDistillation(keras.distillation.DistillationLoss):
    """Labels that are each on or off, matched one by one.

    `T**2 * mean(KL(sigmoid(teacher / T) || sigmoid(student / T)))`, of logits.
    """

    def __init__(self, temperature=3.0):
        self.temperature = temperature

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        teacher = teacher_outputs / self.temperature
        student = student_outputs / self.temperature
        is_on = ops.sigmoid(teacher)
        on = ops.log_sigmoid(teacher) - ops.log_sigmoid(student)
        off = ops.log_sigmoid(-teacher) - ops.log_sigmoid(-student)
        divergence = is_on * on + (1.0 - is_on) * off
        return self.temperature**2 * ops.mean(divergence)
