_base_ = 'digits_nbel_exact512.py'
model = dict(head=dict(loss_nbel=dict(estimator='ema', momentum=2 * 8 / 512)))
optim_wrapper = dict(micro_batch_size=8)
train_dataloader = dict(sampler=dict(micro_batch_size=8))
